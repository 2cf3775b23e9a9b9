// `replan`: what one event costs the plan among 1,000,000 placed units: a machine is lost, one joins, one unit is added.
import { machineId } from '../support/cluster.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';
import { addMachine, addUnit, pictureOf, planAway, type Kind } from './pictures.ts';

const UNITS = 1_000_000;
const MACHINES = 10_000;

export const replan: Benchmark = {
  name: 'replan',
  about:
    'One event among 1,000,000 units on 10,000 machines, in this process, until all that follows from it is decided.',
  run: runReplan,
};

async function runReplan({ runs, say }: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  for (const kind of ['plain', 'mixed'] as const) {
    globalThis.gc?.();
    const picture = pictureOf(MACHINES, kind);
    for (let i = 0; i < UNITS; i += 1) addUnit(picture, i, kind);
    planAway(picture);
    say(`replan: ${kind}: placed`);
    const measured = measure({ picture, kind, runs });
    const words = `${kind}: `;
    figures.push(
      {
        what: `${words}a machine with 100 units is lost`,
        unit: 'ms',
        values: measured.lost,
        goal: { atMost: 50 },
      },
      { what: `${words}a machine joins`, unit: 'ms', values: measured.joined },
      { what: `${words}a unit is added`, unit: 'ms', values: measured.added },
    );
  }
  return { figures };
}

interface Measured {
  readonly lost: number[];
  readonly joined: number[];
  readonly added: number[];
}

function measure({
  picture,
  kind,
  runs,
}: {
  picture: ReturnType<typeof pictureOf>;
  kind: Kind;
  runs: number;
}): Measured {
  const measured: Measured = { lost: [], joined: [], added: [] };
  for (let run = 0; run < runs; run += 1) {
    const lost = machineId(`m${run * 100 + 7}`);
    measured.lost.push(
      timed(() => {
        picture.applyMachine(lost, undefined);
        picture.setPresence(lost, 'absent');
        planAway(picture);
      }),
    );
    measured.joined.push(
      timed(() => {
        addMachine(picture, MACHINES + 1 + run, kind);
        planAway(picture);
      }),
    );
    measured.added.push(
      timed(() => {
        addUnit(picture, UNITS + run * 4, kind);
        planAway(picture);
      }),
    );
  }
  return measured;
}

function timed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}
