// A line of a unit's [Service] that sets a variable.

/** Quoted as systemd.exec(5) reads it; specifiers such as %H in the value are systemd's, as they were with CoreOS. */
export function environmentLine(name: string, value: string): string {
  return `Environment="${name}=${value.replaceAll(/["\\]/g, String.raw`\$&`)}"\n`;
}
