// Colour, for a person at a terminal only. Pure.

/** Red for what failed, yellow for what waits. */
export type Colour = 'red' | 'yellow';

const CODES: Readonly<Record<Colour, number>> = { red: 31, yellow: 33 }; // ECMA-48, SGR

/** The text in that colour where colours are wanted, else as it is. */
export function paint(text: string, colour: Colour, isWanted: boolean): string {
  return isWanted ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}
