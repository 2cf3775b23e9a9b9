// `npm run package`: what is published of this version, in dist/.
import { parseArgs } from 'node:util';
import path from 'node:path';
import { VERSION } from '../../src/runtime/version.ts';
import { projectDir } from '../script.ts';
import { buildPackage } from './build.ts';

const USAGE = 'usage: npm run package [-- --out DIRECTORY] [--version VERSION]';

try {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: path.join(projectDir, 'dist') },
      version: { type: 'string', default: VERSION },
    },
  });
  if (!/^\d+\.\d+\.\d+(-[a-z0-9.]+)?$/.test(values.version))
    throw new Error(`'${values.version}' is not a version such as 2.0.0 or 2.0.0-rc.1`);
  const time = Number(process.env['SOURCE_DATE_EPOCH'] ?? Math.floor(Date.now() / 1000));
  const names = await buildPackage({
    version: values.version,
    outDir: path.resolve(values.out),
    time,
    say: (line) => process.stderr.write(`package: ${line}\n`),
  });
  for (const name of names) process.stdout.write(`${path.join(values.out, name)}\n`);
} catch (error) {
  process.stderr.write(`package: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof TypeError) process.stderr.write(`  ${USAGE}\n`);
  process.exitCode = 1;
}
