// Subnets of a network, each with the gateway and the range that stand at the same place of their lists.
import type { Draft } from './draft.ts';

export function subnetArguments(draft: Draft): readonly string[] {
  const [subnets, gateways, ranges] = [
    draft.section.all('Subnet'),
    draft.section.all('Gateway'),
    draft.section.all('IPRange'),
  ];
  const extra = gateways[subnets.length] ?? ranges[subnets.length];
  if (extra !== undefined) {
    const many = `cannot set more ${extra.key === 'Gateway' ? 'gateways' : 'ranges'} than subnets`;
    const message = subnets.length === 0 ? 'cannot set gateway or range without subnet' : many;
    draft.refuse(extra.keyAt, message, "Write one 'Subnet=' for each.");
  }
  return subnets.flatMap(({ value }, index) => [
    '--subnet',
    value,
    ...(gateways[index] === undefined ? [] : ['--gateway', gateways[index].value]),
    ...(ranges[index] === undefined ? [] : ['--ip-range', ranges[index].value]),
  ]);
}
