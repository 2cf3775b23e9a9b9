// The version of this fleet, as package.json has it.
import packageJson from '../../package.json' with { type: 'json' };

/** Such as 2.0.0. */
export const VERSION: string = packageJson.version;
