import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { EXAMPLE_ADDRESSES } from '../../src/provision/addresses.ts';
import { plannedFiles } from '../../src/provision/planned-files.ts';
import type { ProvisionPlan } from '../../src/provision/plan.ts';
import { readProvisionFile } from '../../src/provision/read.ts';
import { writeProvisionFile, type NewHost } from '../../src/provision/write.ts';
import { codePoint } from '../support/code-points.ts';

const options = { addresses: EXAMPLE_ADDRESSES, fleetProblem: () => undefined };
const line = fc.string({ unit: codePoint, maxLength: 30 }).filter(isPlainLine);
const word = fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/);

const host: fc.Arbitrary<NewHost> = fc.record(
  {
    hostname: word,
    fleet: fc.dictionary(
      fc.constantFrom('metadata', 'etcd_servers', 'etcd_password', 'agent_ttl'),
      line.filter((text) => text.trim() !== '' && !text.includes('$')),
    ),
    sshKeys: fc.array(
      word.map((name) => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ${name}`),
      { maxLength: 2 },
    ),
    units: fc.uniqueArray(
      fc.record({
        name: word.map((name) => `${name}.service`),
        text: fc
          .array(
            line.map((text) => `# ${text.replaceAll('$', '')}\n`),
            { maxLength: 4 },
          )
          .map((lines) => `[Service]\nExecStart=/bin/true\n${lines.join('')}`),
      }),
      { selector: ({ name }) => name, maxLength: 3 },
    ),
  },
  { requiredKeys: ['fleet', 'sshKeys', 'units'] },
);

/** What a unit's Environment= and a unit file can hold at all. */
function isPlainLine(text: string): boolean {
  return !/[\p{Cc}\u2028\u2029\ufeff]/u.test(text) && text.isWellFormed() && !text.endsWith('\\');
}

function filesOf(plan: ProvisionPlan | undefined): unknown {
  const shown = plannedFiles(plan!).map(({ path, mode, contents }) => [
    path,
    mode,
    Buffer.from(contents).toString('utf8'),
  ]);
  return Object.fromEntries(shown.map(([path, ...rest]) => [path, rest]));
}

it('a cloud-config that is written is read back to what it was written from', () => {
  fc.assert(
    fc.property(host, (given) => {
      const { plan, problems } = readProvisionFile(
        writeProvisionFile('cloud-config', given),
        options,
      );
      expect(problems).toEqual([]);
      expect(plan!.hostname).toBe(given.hostname);
      expect(plan!.fleet).toEqual(given.fleet);
      expect(plan!.users.flatMap(({ sshKeys }) => sshKeys)).toEqual(given.sshKeys);
      expect(plan!.submit.map(({ name, text }) => ({ name, text }))).toEqual(given.units);
    }),
  );
});

it('Ignition and cloud-init bring a host to the same files as a cloud-config', () => {
  fc.assert(
    fc.property(host, (given) => {
      const { hostname: _, ...named } = given;
      const direct = readProvisionFile(writeProvisionFile('cloud-config', named), options);
      const ignition = readProvisionFile(writeProvisionFile('ignition', named), options);
      expect(filesOf(ignition.plan)).toEqual(filesOf(direct.plan));
      const outer = readProvisionFile(writeProvisionFile('cloud-init', named), options);
      expect(outer.plan!.files.map(({ path, mode }) => [path, mode])).toEqual([
        ['/etc/fleet/cloud-config.yaml', 0o600],
      ]);
      const carried = Buffer.from(outer.plan!.files[0]!.contents).toString('utf8');
      expect(filesOf(readProvisionFile(carried, options).plan)).toEqual(filesOf(direct.plan));
    }),
  );
});

it('no text makes reading it fail, and an error leaves no plan', () => {
  const piece = fc.constantFrom(
    '#cloud-config\n',
    'coreos:',
    '\n  ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '"',
    ': ',
    '&a ',
    '*a',
    '<<',
    '|',
    '\t',
    'users',
    'null',
    '__proto__: 1\n',
    '$private_ipv4',
  );
  const text = fc.array(fc.oneof(piece, fc.string({ maxLength: 8 })), { maxLength: 20 });
  fc.assert(
    fc.property(text, fc.constantFrom('#cloud-config\n', '{', ''), (parts, start) => {
      const { plan, problems } = readProvisionFile(start + parts.join(''), options);
      const errors = problems.filter(({ severity }) => severity === 'error');
      expect(plan === undefined).toBe(errors.length > 0);
      for (const { line, column } of problems)
        expect(Math.min(line ?? 0, column ?? 0)).toBeGreaterThan(0);
    }),
  );
});
