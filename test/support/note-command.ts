// What the first command of an alarm says, for a systemd in memory that carries it out.

const NOTE =
  /^\(\(ls '(.*)' \|\| :\) && echo && \/bin\/systemctl(?: --user)? show --property=Id,ActiveState,Job -- ('.*')\) > '(.*)\.part' && mv '\3\.part' '\3'$/;

export interface NoteCommand {
  /** The directory of permits. */
  readonly permits: string;
  /** systemd's names. */
  readonly names: readonly string[];
  /** Where the note is to be in the end. */
  readonly path: string;
}

/** What `CutOffNotes.command` asks for; undefined of any other command. */
export function noteCommand([program, , text = '']: readonly string[]): NoteCommand | undefined {
  if (program !== '/bin/sh') return undefined;
  const [, permits, units, path] = NOTE.exec(text) ?? [];
  if (permits === undefined || units === undefined || path === undefined)
    throw new Error(`an alarm runs what nobody here can: ${text}`);
  return { permits, names: units.slice(1, -1).split("' '"), path };
}
