// The programs that run containers. A host says by its capabilities, under these names, which it has and of what version.

/** In the order in which a host is asked where the unit leaves the choice to it. */
export const RUNTIMES = ['podman', 'docker', 'rkt'] as const;
export type Runtime = (typeof RUNTIMES)[number];
