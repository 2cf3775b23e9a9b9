// What a fault took, as a record, a file of records, and the table of docs/reliability.md.
// Invariant: the table says nothing that no record says.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** One fault, tried once. Times in ms. */
export interface Measured {
  readonly fault: string;
  readonly units: number;
  readonly hosts: number;
  readonly members: number;
  readonly ttlSec: number;
  /** Load average of the machine over the minute before. */
  readonly load: number;
  /** From the strike to the heal. */
  readonly strickenMs: number;
  /** From the heal until every unit was as wanted and every row true, at the latest: it is looked every 200 ms. */
  readonly agreeMs: number;
  /** Units that were placed elsewhere, and units that were held to be untouched: all others on hosts that kept their power. */
  readonly moved: number;
  readonly kept: number;
  /** For how long a unit ran on two hosts, at most: only where a host that was given up ran on behind a cut. Absent: not looked at. */
  readonly twiceMs?: number;
  /** Writes during the fault: answered well, and all of them there afterwards; or refused, or without an answer. */
  readonly acknowledged: number;
  readonly refused: number;
}

/** Puts it into the file that FAULTS_RECORD names, in place of what stood there for this fault; without FAULTS_RECORD into none. */
export function record(measured: Measured): void {
  process.stderr.write(`  ${JSON.stringify(measured)}\n`);
  const file = process.env['FAULTS_RECORD'];
  if (file === undefined) return;
  const all = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Measured[]) : [];
  const rest = all.filter(({ fault }) => fault !== measured.fault);
  writeFileSync(file, `${JSON.stringify([...rest, measured], null, 2)}\n`);
}
