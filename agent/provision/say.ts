// A change of a host in one line for a person. Pure.
import type { Change } from './changes.ts';

/** `write /etc/motd (0644 root:root, 12 bytes)` */
export function changeLine(change: Change): string {
  switch (change.kind) {
    case 'hostname':
      return `name this host '${change.to}'`;
    case 'group':
      return `add the group '${change.group.name}'`;
    case 'user':
      return `add the user '${change.user.name}'`;
    case 'password':
      return `set the password of '${change.user}'`;
    case 'keys':
      return `give '${change.user}' ${change.keys.length} more key${change.keys.length === 1 ? '' : 's'} of SSH`;
    case 'directory':
      return `make ${change.path}/ (${ownership(change)})`;
    case 'file': {
      const verb = change.isNew ? 'write' : 'rewrite';
      return `${verb} ${change.path} (${ownership(change)}, ${change.contents.length} bytes)`;
    }
    case 'link':
      return `link ${change.link.path} -> ${change.link.target}`;
    case 'reload':
      return 'reload systemd';
    case 'enable':
    case 'disable':
    case 'mask':
    case 'unmask':
      return `${change.kind} ${change.unit}`;
    case 'command':
      return `${change.command} ${change.unit}`;
  }
}

function ownership({ mode, user, group }: { mode: number; user: string; group: string }): string {
  return `${mode.toString(8).padStart(4, '0')} ${user}:${group}`;
}
