import { describe, expect, it } from 'vitest';
import { chooseManager } from '../../../lab/manager.ts';

describe('chooseManager', () => {
  it.for([
    { name: "root has the machine's", uid: 0, booted: true, user: undefined, then: 'system' },
    {
      name: 'root has a private one where none runs',
      uid: 0,
      booted: false,
      user: undefined,
      then: 'private',
    },
    {
      name: 'a user has their own',
      uid: 1000,
      booted: true,
      user: '/run/user/1000',
      then: 'user',
    },
    {
      name: 'a user without a manager is told to log in anew',
      uid: 1000,
      booted: true,
      user: undefined,
      then: /log in anew/,
    },
    {
      name: 'a user where no systemd runs is told to be root',
      uid: 1000,
      booted: false,
      user: undefined,
      then: /run this as root/,
    },
  ])('$name', ({ uid, booted, user, then }) => {
    const chosen = chooseManager({ uid, booted, userRuntimeDir: user });
    if (typeof chosen === 'string') expect(chosen).toBe(then);
    else {
      expect(chosen.none).toMatch(then);
      expect(chosen.none).not.toContain('\n');
    }
  });
});
