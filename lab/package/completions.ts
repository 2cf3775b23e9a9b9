// Completions of fleetctl for bash, zsh and fish, made from its commands and options: they offer what it takes.
// Invariant: what is offered of the cluster comes from fleetctl itself, which is asked with a short timeout and says nothing when it fails.
import { commands, type CommandDefinition } from '../../cli/definition.ts';
import { globalOptions, type OptionDefinition } from '../../cli/options.ts';

/** What a word stands for, and so where its completions come from. */
type Source = 'units' | 'machines' | 'targets' | 'files' | 'nothing';

interface OfferedCommand {
  readonly name: string;
  readonly description: string;
  readonly source: Source;
  readonly options: readonly OptionDefinition[];
}

const ASK = 'fleetctl --request-timeout 1';
const ASK_FOR: Readonly<Record<'units' | 'machines', string>> = {
  units: `${ASK} list-unit-files --no-legend --fields unit 2>/dev/null`,
  machines: `${ASK} list-machines --full --no-legend --fields machine 2>/dev/null`,
};
/** Commands that take unit files; paths are offered beside the units that are there. */
const TAKES_FILES: ReadonlySet<string> = new Set(['submit', 'load', 'start']);

function sourceOf({ takes }: CommandDefinition): Source {
  switch (takes) {
    case 'UNIT':
    case 'UNITS':
      return 'units';
    case 'MACHINE':
      return 'machines';
    case 'COMMAND':
      return 'targets';
    case 'FILE':
    case 'SOCKET':
      return 'files';
    case 'nothing':
      return 'nothing';
  }
}

/** In the order of help, `help` and `version` too. */
function offeredCommands(): readonly OfferedCommand[] {
  const own = commands.map((command) => ({
    name: command.name,
    description: command.description,
    source: sourceOf(command),
    options: command.options.filter(({ hidden }) => hidden === undefined),
  }));
  return [
    ...own,
    { name: 'version', description: 'print the version', source: 'nothing', options: [] },
    { name: 'help', description: 'print help', source: 'nothing', options: [] },
  ];
}

const shownGlobals = globalOptions.filter(({ hidden }) => hidden === undefined);

function flagsOf(options: readonly OptionDefinition[]): readonly string[] {
  return options.flatMap(({ name, short }) => [
    ...(short === undefined ? [] : [`-${short}`]),
    `--${name}`,
  ]);
}

/** Whether the word after it is its value: a switch takes one behind `=` only. */
function takesWord({ kind }: OptionDefinition): boolean {
  return kind !== 'flag' && kind !== 'switch';
}

/** /usr/share/bash-completion/completions/fleetctl */
export function bashCompletion(): string {
  const offered = offeredCommands();
  const all = [...shownGlobals, ...offered.flatMap(({ options }) => options)];
  const withValue = flagsOf(all.filter(takesWord));
  const cases = offered.map(({ name, source, options }) => {
    const files = TAKES_FILES.has(name) ? 'files' : '';
    return `    ${name}) options='${flagsOf(options).join(' ')}' sources='${[source, files].join(' ').trim()}' ;;`;
  });
  return `# bash completion of fleetctl, made from its definitions.
_fleetctl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= word options= sources= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in
      ${[...new Set(withValue)].join(' | ')}) i=$((i + 1)) ;;
      -*) ;;
      *) command=$word; break ;;
    esac
  done
  COMPREPLY=()
  case $previous in
    ${optionsWith('file').join(' | ')}) compopt -o default; return ;;
    --driver) COMPREPLY=($(compgen -W 'API etcd' -- "$current")); return ;;
    --unit) COMPREPLY=($(compgen -W "$(${ASK_FOR.units})" -- "$current")); return ;;
    --machine) COMPREPLY=($(compgen -W "$(${ASK_FOR.machines})" -- "$current")); return ;;
    ${[...new Set(withValue)].join(' | ')}) return ;;
  esac
  if [[ -z $command ]]; then
    COMPREPLY=($(compgen -W '${[...offered.map(({ name }) => name), ...flagsOf(shownGlobals), '--help', '--version'].join(' ')}' -- "$current"))
    return
  fi
  case $command in
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options ${flagsOf(shownGlobals).join(' ')} --help" -- "$current"))
    return
  fi
  case " $sources " in *' units '* | *' targets '*) words+=" $(${ASK_FOR.units})" ;; esac
  case " $sources " in *' machines '* | *' targets '*) words+=" $(${ASK_FOR.machines})" ;; esac
  [[ $command != help ]] || words='${offered.map(({ name }) => name).join(' ')}'
  case " $sources " in *' files '*) compopt -o default; COMPREPLY=($(compgen -f -- "$current")) ;; esac
  COMPREPLY+=($(compgen -W "$words" -- "$current"))
}
complete -F _fleetctl fleetctl
`;
}

function optionsWith(what: 'file'): readonly string[] {
  return flagsOf(shownGlobals.filter(({ value }) => value?.toLowerCase() === what));
}

/** /usr/share/zsh/vendor-completions/_fleetctl */
export function zshCompletion(): string {
  const offered = offeredCommands();
  const described = offered.map(
    ({ name, description }) => `    ${quote(`${name}:${description}`)}`,
  );
  const cases = offered.map(({ name, source, options }) => {
    const rest = TAKES_FILES.has(name) ? 'files_and_units' : source;
    const words = name === 'help' ? "'1:command:_fleetctl_commands'" : zshRest(rest);
    return `        ${name}) _arguments -s ${[...options.flatMap(zshOption), words].filter(Boolean).join(' ')} ;;`;
  });
  return `#compdef fleetctl
# zsh completion of fleetctl, made from its definitions.
_fleetctl_commands() {
  local -a all=(
${described.join('\n')}
  )
  _describe -t commands command all
}
_fleetctl_units() { local -a all=(\${(f)"$(${ASK_FOR.units})"}); compadd -a all }
_fleetctl_machines() { local -a all=(\${(f)"$(${ASK_FOR.machines})"}); compadd -a all }
_fleetctl_targets() { _fleetctl_units; _fleetctl_machines }
_fleetctl_files_and_units() { _files; _fleetctl_units }
_fleetctl() {
  local curcontext=$curcontext state line
  _arguments -C -s ${[...shownGlobals.flatMap(zshOption), "'(-h --help)'{-h,--help}'[print help]'"].join(' ')} \\
    '1:command:_fleetctl_commands' '*::argument:->arguments'
  case $state in
    arguments)
      case $line[1] in
${cases.join('\n')}
      esac ;;
  esac
}
_fleetctl "$@"
`;
}

function zshRest(source: Source | 'files_and_units'): string {
  if (source === 'nothing') return '';
  return source === 'files' ? "'*:file:_files'" : `'*:${source}:_fleetctl_${source}'`;
}

function zshOption(option: OptionDefinition): readonly string[] {
  const { name, short, description, value = '' } = option;
  const action = { FILE: '_files', 'API|etcd': '(API etcd)' }[value] ?? ' ';
  const end = takesWord(option) ? `:${value.replaceAll(':', '\\:')}:${action}` : '';
  const text = `[${description.replaceAll(/([[\]:])/g, '\\$1')}]${end}`;
  const flags = [...(short === undefined ? [] : [`-${short}`]), `--${name}`];
  return flags.map((flag) => quote(`${flag}${text}`));
}

/** /usr/share/fish/vendor_completions.d/fleetctl.fish */
export function fishCompletion(): string {
  const offered = offeredCommands();
  const lines = [
    '# fish completion of fleetctl, made from its definitions.',
    'complete -c fleetctl -f',
    ...shownGlobals.map((option) => fishOption(option)),
  ];
  for (const { name, description, source, options } of offered) {
    const seen = `-n '__fish_seen_subcommand_from ${name}'`;
    lines.push(`complete -c fleetctl -n __fish_use_subcommand -a ${name} -d ${quote(description)}`);
    if (source === 'units' || source === 'targets')
      lines.push(`complete -c fleetctl ${seen} -a '(${ASK_FOR.units})'`);
    if (source === 'machines' || source === 'targets')
      lines.push(`complete -c fleetctl ${seen} -a '(${ASK_FOR.machines})'`);
    if (source === 'files' || TAKES_FILES.has(name)) lines.push(`complete -c fleetctl ${seen} -F`);
    for (const option of options) lines.push(fishOption(option, seen));
  }
  return `${lines.join('\n')}\n`;
}

function fishOption(option: OptionDefinition, condition = ''): string {
  const { name, short, description, value } = option;
  const argument = takesWord(option) ? (value === 'FILE' ? ' -r -F' : ' -x') : '';
  const where = condition === '' ? '' : ` ${condition}`;
  const brief = short === undefined ? '' : ` -s ${short}`;
  return `complete -c fleetctl${where}${brief} -l ${name}${argument} -d ${quote(description)}`;
}

/** For a shell, in single quotes; without an apostrophe inside, which the three shells quote differently. */
function quote(text: string): string {
  return `'${text.replaceAll("'", '’')}'`;
}
