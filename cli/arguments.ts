// The original's way of writing options: `-full` for `--full`. Pure.

/** What is needed of a command line's definition. */
interface Defined {
  readonly options: readonly { readonly long?: string | undefined }[];
}

/** The words with a single dash before a known long option doubled; what follows `--` is left alone. */
export function longOptions(
  program: Defined & { readonly commands: readonly Defined[] },
  words: readonly string[],
): string[] {
  const known = new Set(
    [program, ...program.commands].flatMap((command) =>
      command.options.map((option) => option.long?.replace(/^--/, '')),
    ),
  );
  const end = words.indexOf('--');
  return words.map((word, i) => {
    if (end !== -1 && i >= end) return word;
    const match = /^-([a-z][a-z-]+)(=.*)?$/.exec(word);
    return match !== null && known.has(match[1]) ? `-${word}` : word;
  });
}
