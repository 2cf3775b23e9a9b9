// Throws texts at src/unitfile/ and src/quadlet/ until one breaks a law: `npm run fuzz -- [--seed N] [--count N]`. Same seed, same texts.
// `npm run fuzz -- api [--seed N] [--count N] [--rounds N] [--etcd]` throws requests at the API, and looks at its memory after each round.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { UnitName } from '../../src/model/unit.ts';
import { checkUnitName, parseUnitName } from '../../src/unitfile/name.ts';
import { checkQuadletLaws } from './quadlet-laws.ts';
import { pick, randomFrom, type Random } from './random.ts';
import { checkUnitLaws } from './unit-laws.ts';

const INPUT_MAX_MS = 1000;
const CORPUS = join(import.meta.dirname, '../../../shared/corpus');
const PIECES = [
  '[Unit]\n',
  '[X-Fleet]\n',
  '[Container]\n',
  '[Volume]\n',
  'Image=localhost/a\n',
  'Exec=a ',
  'Volume=',
  'Mount=type=bind,source=',
  'x.volume:',
  'Network=',
  '[Service]\n',
  '[Install]',
  '[',
  ']',
  '=',
  '\\',
  '\\\n',
  '\n',
  '\r\n',
  '\r',
  '\0',
  ' ',
  '\t',
  '#',
  ';',
  '"',
  "'",
  'MachineID=',
  'MachineOf=',
  'MachineMetadata=',
  'Conflicts=',
  'Replaces=',
  'Global=true\n',
  'X-ConditionMachineOf=',
  'X-Conflicts=',
  'Weight=',
  'ExecStart=/bin/true \\\n',
  'a@%i.service',
  '%p',
  '%%',
  '%',
  '%I',
  '*',
  '[a-z]',
  '[^',
  '**?',
  'k=v',
  '"k=v" "l=w"',
  'true',
  '0123456789abcdef',
  '\uFEFF',
  '\u0085',
  '\u00a0',
  '\u2028',
  '\uD800',
  '😀',
  '\v',
  '\f',
] as const;
const NAMES = [
  'hello.service',
  'app@.service',
  'app@1.service',
  String.raw`a-b\x2dc@\x2fd.timer`,
].map(checkUnitName);

const QUADLETS = ['web.container', 'data@.volume'] as const;

function randomText(random: Random): string {
  const pieces = Array.from({ length: random(24) }, () =>
    random(8) === 0
      ? String.fromCharCode(random(random(4) === 0 ? 0x10000 : 0x180))
      : pick(random, PIECES),
  );
  return (random(2) === 0 ? '[X-Fleet]\n' : '') + pieces.join('');
}

/** A window of a real file with some places cut, doubled, or filled with something else. */
function mutatedText(random: Random, seeds: readonly string[]): string {
  const whole = pick(random, seeds);
  const from = random(3) === 0 ? random(whole.length + 1) : 0;
  let text = whole.slice(from, from + 100 + random(1500));
  for (let left = random(6); left > 0; left -= 1) {
    const at = random(text.length + 1);
    const length = random(12);
    const filled = [
      pick(random, PIECES),
      '',
      text.slice(at, at + length).repeat(2),
      randomText(random),
    ];
    text = text.slice(0, at) + pick(random, filled) + text.slice(at + length);
  }
  return text;
}

function seedTexts(): readonly string[] {
  const made = [
    '[Unit]\nDescription=Hello\nAfter=docker.service\n\n[Service]\nExecStart=/usr/bin/docker run \\\n  --name %n \\\n  # why\n  busybox\n\n[X-Fleet]\nMachineMetadata="role=web" "zone=a"\nConflicts=%p@*.service\n',
    '[Timer]\r\nOnCalendar=*-*-* 04:00\r\n\r\n[X-Fleet]\r\nMachineOf=hello.service\r\n',
    `[Service]\nExecStart=/bin/echo ${'x '.repeat(2000)}\n[X-Fleet]\nGlobal=false\n`,
  ];
  if (!existsSync(CORPUS)) {
    console.log('fuzz: no ../shared/corpus beside the project; mutating made-up units only');
    return made;
  }
  const files = globSync('{units,quadlets}/**/*.{service,timer,container,volume}', {
    cwd: CORPUS,
  }).sort();
  return [...made, ...files.map((file) => readFileSync(join(CORPUS, file), 'utf8'))];
}

function fuzzUnits(seed: number, count: number): number {
  const random = randomFrom(seed);
  const seeds = seedTexts();
  console.log(`fuzz: seed ${seed}, ${count} texts`);
  const started = performance.now();
  let [accepted, slowestMs, before] = [0, 0, started];
  for (let index = 0; index < count; index += 1) {
    const text = random(3) === 0 ? randomText(random) : mutatedText(random, seeds);
    const name: UnitName = pick(random, NAMES);
    parseUnitName(text.slice(0, 300));
    const failure = failureOf(text, name, () => (accepted += 1));
    const now = performance.now();
    slowestMs = Math.max(slowestMs, now - before);
    const tooSlow = now - before > INPUT_MAX_MS ? `took ${Math.round(now - before)} ms` : undefined;
    before = now;
    if (failure !== undefined || tooSlow !== undefined) {
      console.log(`fuzz: text ${index} of seed ${seed} as ${name}: ${failure ?? tooSlow}`);
      console.log(JSON.stringify(text));
      return 1;
    }
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `fuzz: ${count} texts in ${seconds.toFixed(1)} s (${Math.round(count / seconds)}/s), ${accepted} accepted, slowest ${slowestMs.toFixed(1)} ms, no law broken`,
  );
  return 0;
}

function failureOf(text: string, name: UnitName, onAccepted: () => void): string | undefined {
  try {
    if (checkUnitLaws(text, name)) onAccepted();
    for (const quadlet of QUADLETS) checkQuadletLaws(quadlet, text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    count: { type: 'string' },
    rounds: { type: 'string', default: '4' },
    etcd: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
if (positionals[0] === 'api') {
  const { fuzzApiInRounds } = await import('./fuzz-api-rounds.ts');
  process.exitCode = await fuzzApiInRounds({
    seed,
    count: Number(values.count ?? 100_000),
    rounds: Number(values.rounds),
    isOnEtcd: values.etcd,
  });
} else process.exitCode = fuzzUnits(seed, Number(values.count ?? 1_000_000));
