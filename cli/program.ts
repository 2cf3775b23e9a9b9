// The command line as commander reads it, made from definition.ts. The only importer of commander.
// Invariant: a given option beats the environment (FLEETCTL_…), the environment beats the default.
import { Command, CommanderError, Option } from 'commander';
import { FleetError } from '../src/model/errors.ts';
import { usualWords } from './arguments.ts';
import { withCommandApart } from './command-operand.ts';
import type { Io } from './context.ts';
import { argumentForms, commands, type CommandDefinition } from './definition.ts';
import { nearest } from './nearest.ts';
import { globalOptions, type OptionDefinition } from './options.ts';
import { Values } from './values.ts';

/** What a command line asks for. */
export type Asked =
  /** Help or the version, printed already. */
  | Readonly<{ kind: 'printed' }>
  | Readonly<{ kind: 'wrong'; problem: string; usage: string }>
  | Readonly<{ kind: 'run'; command: CommandDefinition; args: readonly string[]; values: Values }>;

/** Reads the words after the program's name. Throws USAGE for a value that is none. */
export function readCommandLine(words: readonly string[], io: Io): Asked {
  const forms = allForms();
  const { words: usual, off } = usualWords(forms, withCommandApart(forms, words));
  let asked: Asked = { kind: 'printed' };
  let current: Command | undefined;
  const program = makeProgram(io, {
    failed: (command) => (current = command),
    run: (command, definition) => {
      const options = [...globalOptions, ...definition.options];
      const given = (option: OptionDefinition): string | boolean | undefined =>
        valueGiven([program, command], option) ?? (off.has(option.name) ? false : undefined);
      const values = new Values(options, given, io.env);
      asked = { kind: 'run', command: definition, args: command.args, values };
    },
  });
  if (usual.length === 0) {
    program.outputHelp();
    return asked;
  }
  try {
    program.parse(usual, { from: 'user' });
    return asked;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return asked;
    const problem = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
    return { kind: 'wrong', problem, usage: usageOf(current ?? program) };
  }
}

interface Handlers {
  /** Called before a command's error is thrown. */
  failed(command: Command): void;
  run(command: Command, definition: CommandDefinition): void;
}

function makeProgram(io: Io, handlers: Handlers): Command {
  const program = new Command('fleetctl')
    .description('Runs unit files on the machines of a fleet.')
    .usage('[OPTION…] COMMAND [ARGUMENT…]')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .version(`fleetctl version ${io.version}`, '-v, --version', 'print the version')
    .configureHelp({
      showGlobalOptions: true,
      helpWidth: HELP_WIDTH,
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`.trimEnd(),
    })
    .configureOutput({
      writeOut: io.stdout,
      writeErr: () => undefined,
      outputError: () => undefined, // fleetctl.ts says it
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('beforeAll', `fleetctl ${io.version}\n`)
    .addHelpText('after', ENVIRONMENT_HELP);
  noteFailures(program, handlers);
  for (const option of globalOptions) program.addOption(optionOf(option));
  for (const definition of commands) {
    const command = program.command(definition.name).description(definition.description);
    const { declared, shown } = argumentForms[definition.takes];
    if (declared !== undefined) command.arguments(declared);
    command.usage(`[OPTION…]${shown}`);
    for (const option of definition.options) command.addOption(optionOf(option));
    command.action(() => handlers.run(command, definition));
    noteFailures(command, handlers);
  }
  addOwnWords(program, io, handlers);
  return program;
}

const HELP_WIDTH = 100; // columns; the same on every terminal and in a pipe

const ENVIRONMENT_HELP =
  '\nEvery option can come from the environment: FLEETCTL_ENDPOINT for --endpoint, FLEETCTL_NO_BLOCK for --no-block.';

function noteFailures(command: Command, handlers: Handlers): void {
  command.exitOverride((error) => {
    handlers.failed(command);
    throw error;
  });
}

/** `version` and `help`, which need no API. */
function addOwnWords(program: Command, io: Io, handlers: Handlers): void {
  const version = program.command('version').description('print the version').usage(' ');
  version.action(() => io.stdout(`fleetctl version ${io.version}\n`));
  const help = program.command('help').argument('[COMMAND]').usage('[COMMAND]');
  help.description('print help, of one command or of all');
  help.action((name: string | undefined) => {
    const command = name === undefined ? program : program.commands.find((c) => c.name() === name);
    if (command === undefined) throw unknownCommand(program, name ?? '');
    command.outputHelp();
  });
  for (const command of [version, help]) noteFailures(command, handlers);
}

function unknownCommand(program: Command, name: string): FleetError {
  const names = program.commands.map((command) => command.name());
  const meant = nearest(name, names);
  const hint =
    meant === undefined ? `The commands are: ${names.join(', ')}.` : `Did you mean '${meant}'?`;
  return new FleetError('USAGE', `unknown command '${name}'`, { hint });
}

function optionOf(definition: OptionDefinition): Option {
  const { name, short, value, kind, description, initial, hidden } = definition;
  const flags = `${short === undefined ? '' : `-${short}, `}--${name}`;
  const option = new Option(
    kind === 'flag' ? flags : `${flags} <${value ?? ''}>`,
    initial === undefined ? description : `${description} (default: ${String(initial)})`,
  );

  return hidden === undefined ? option : option.hideHelp();
}

/** As it stands on the command line; undefined where it does not. */
function valueGiven(
  places: readonly Command[],
  definition: OptionDefinition,
): string | boolean | undefined {
  const attribute = optionOf(definition).attributeName();
  for (const command of places) {
    if (command.getOptionValueSource(attribute) !== 'cli') continue;
    return definition.kind === 'flag' || (command.getOptionValue(attribute) as string); // commander's own
  }
  return undefined;
}

function usageOf(command: Command): string {
  const name = command.parent === null ? '' : ` ${command.name()}`;
  return `Usage: fleetctl${name} ${command.usage()}`.trimEnd();
}

function allForms(): readonly OptionDefinition[] {
  const words = ['help', 'version'].map(
    (name) => ({ name, kind: 'flag', description: '' }) as const,
  );
  return [...words, ...globalOptions, ...commands.flatMap((command) => command.options)];
}
