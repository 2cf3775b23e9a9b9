// cat and explain: one unit's text, and why it is or is not where it should be.
import { FleetError } from '../../src/model/errors.ts';
import { orMissing } from '../missing-unit.ts';
import { nameOfArgument } from '../unit-argument.ts';
import type { Context } from '../context.ts';

/** Prints the unit file, byte for byte as it was submitted; or (`generated`) what systemd is given of it. */
export async function cat(
  context: Context,
  argument: string,
  which: 'submitted' | 'generated',
): Promise<number> {
  const name = nameOfArgument(argument);
  const unit = await orMissing(context, name, context.client.unit(name, context.signal));
  if (unit.text === undefined)
    throw new FleetError('REGISTRY_RECORD_INVALID', `the text of unit '${unit.name}' is missing`, {
      hint: 'Submit it again with --replace.',
    });
  if (which === 'submitted') context.stdout(unit.text);
  else {
    const { generatedText } = await import('./generated.ts');
    context.stdout(await generatedText(context, unit, unit.text));
  }
  return 0;
}

/** Says in sentences what is not as desired, and why, per machine. */
export async function explain(context: Context, argument: string, json: boolean): Promise<number> {
  const name = nameOfArgument(argument);
  const answer = await orMissing(context, name, context.client.explain(name, context.signal));
  if (json) context.stdout(`${JSON.stringify(answer, null, 2)}\n`);
  else if (answer.lines.length === 0)
    context.stdout(`Unit ${answer.name} is as desired (${answer.desiredState}).\n`);
  else context.stdout(answer.lines.map((line) => `${line}\n`).join(''));
  return 0;
}
