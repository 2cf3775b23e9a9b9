// A command that creates what is not there yet, for runtimes that have no option for that.

/** Runs `create` unless the look (program, noun, verb, name) finds it. '$$' is systemd's way to write '$'. */
export function unlessThere(
  look: readonly [program: string, noun: string, verb: string, name: string],
  create: readonly string[],
): readonly string[] {
  const script = '"$$1" "$$2" "$$3" "$$4" >/dev/null 2>&1 && exit; shift 4; exec "$$@"';
  return ['/bin/sh', '-c', script, 'sh', ...look, ...create];
}
