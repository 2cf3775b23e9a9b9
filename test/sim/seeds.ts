// Seeds that once failed, with what they found: run by every `npm test`. docs/track-record.md tells of each.

export const regressionSeeds: readonly (readonly [seed: number, what: string])[] = [
  [200, 'a request was refused although its first try was committed'],
  [355, 'a unit was moved in spite of the brake'],
  [370, 'a host that left with a full disk did not start its units when it came back'],
  [415, 'a restored store stopped a global unit: mirrors of two histories were read as one'],
  [579, 'units that an interrupted leave had stopped stayed down'],
  [734, 'a unit was taken from a machine that was back'],
];
