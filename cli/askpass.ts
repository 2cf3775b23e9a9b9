// The program that OpenSSH asks where fleetctl has no terminal: it answers from fleetctl's own standard input.
// Invariant: it reads no byte beyond its line (a shell's `read` on a pipe), so that what follows reaches the remote command.

/**
 * Text of a shell script. Asked whether a new host's key is to be taken, it passes the question on and reads the answer; OpenSSH
 * checks and keeps the key. Asked anything else (a password), it asks the person's own SSH_ASKPASS, or at the terminal.
 */
export const ASKPASS_SCRIPT = `#!/bin/sh
case $1 in
*'(yes/no'* | *"'yes', 'no'"*)
  printf '%s' "$1" >&2
  IFS= read -r answer || [ -n "$answer" ] || echo 'no answer' >&2
  printf '%s\\n' "$answer"
  ;;
*)
  if [ -n "\${FLEETCTL_SSH_ASKPASS:-}" ]; then exec "$FLEETCTL_SSH_ASKPASS" "$1"; fi
  (exec < /dev/tty) 2> /dev/null || exit 1
  printf '%s' "$1" > /dev/tty
  stty -echo < /dev/tty
  IFS= read -r answer < /dev/tty
  stty echo < /dev/tty
  echo > /dev/tty
  printf '%s\\n' "$answer"
  ;;
esac
`;
