// The contract of src/store/kv.ts: every adapter is held to it, so that the embedded store is a fake that deserves trust.
import { describe } from 'vitest';
import { describeEnd } from './kv/end.ts';
import { describeLease } from './kv/lease.ts';
import { describeRange } from './kv/range.ts';
import type { MakeSubject } from './kv/subject.ts';
import { describeTxn } from './kv/txn.ts';
import { describeWatch } from './kv/watch.ts';

export type { MakeSubject } from './kv/subject.ts';

/** Holds the store `name` to the contract. `makeSubject` starts an empty one; it is called a few times. */
export function describeKvContract(name: string, makeSubject: MakeSubject): void {
  describe(`Kv contract: ${name}`, () => {
    describeRange(makeSubject);
    describeTxn(makeSubject);
    describeWatch(makeSubject);
    describeLease(makeSubject);
    describeEnd(makeSubject);
  });
}
