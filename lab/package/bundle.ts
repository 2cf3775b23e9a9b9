// fleet's programs as JavaScript for the executable: chunks that are loaded when they are needed, each a function of (exports, require, module).
// Invariant: no chunk reads a file of the project when it runs: etcd's .proto files and the version are inside.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build, transform, type Metafile, type Plugin } from 'esbuild';
import { projectDir } from '../script.ts';

export interface Bundle {
  /** Runs first, as a whole script. */
  readonly loader: string;
  /** By file name, such as fleetctl.js: ASCII. */
  readonly chunks: ReadonlyMap<string, string>;
  /** Directories of the npm packages of which something is inside, from the project's: sorted. */
  readonly packageDirs: readonly string[];
}

const TARGET = 'node26';

/** Bundles both programs, which then say that they are of this version. */
export async function bundlePrograms(version: string): Promise<Bundle> {
  const split = await build({
    absWorkingDir: projectDir,
    entryPoints: { fleetd: 'agent/main.ts', fleetctl: 'cli/main.ts' },
    bundle: true,
    splitting: true, // ES modules only: made CommonJS below
    format: 'esm',
    platform: 'node',
    target: TARGET,
    outdir: 'chunks',
    chunkNames: '[name]-[hash]',
    write: false,
    metafile: true,
    minifyWhitespace: true,
    legalComments: 'none', // the licences are in the package's file of copyrights
    logLevel: 'error',
    plugins: [versionPlugin(version), protoPlugin],
  });
  const chunks = new Map<string, string>();
  for (const { path: file, text } of split.outputFiles)
    chunks.set(path.basename(file), await asFunction(text));
  const loader = await build({
    entryPoints: [path.join(import.meta.dirname, 'loader.ts')],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    write: false,
    logLevel: 'error',
  });
  const packageDirs = packageDirsOf(split.metafile);
  return { loader: loader.outputFiles[0]?.text ?? '', chunks, packageDirs };
}

/** Of what is really there: what was looked at and left out does not count. */
function packageDirsOf({ outputs }: Metafile): readonly string[] {
  const files = Object.values(outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((file) => (inputs[file]?.bytesInOutput ?? 0) > 0),
  );
  const dirs = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(dirs.filter((dir) => dir !== undefined))].toSorted();
}

async function asFunction(chunk: string): Promise<string> {
  const { code } = await transform(chunk.replace(/^#!.*\n/, ''), {
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    charset: 'ascii',
    minifyWhitespace: true,
    supported: { 'dynamic-import': false }, // a script of vm has none: they become calls of require
  });
  return `(function (exports, require, module) {${code}\n})`;
}

function versionPlugin(version: string): Plugin {
  return {
    name: 'version',
    setup: (build) =>
      build.onLoad({ filter: /\/src\/runtime\/version\.ts$/ }, () => ({
        contents: `export const VERSION = ${JSON.stringify(version)};`,
      })),
  };
}

/** etcd3 reads its .proto files when it is loaded: here they are read now, and stand in the code as data. */
const protoPlugin: Plugin = {
  name: 'proto',
  setup: (build) =>
    build.onLoad({ filter: /\/etcd3\/lib\/connection-pool\.js$/ }, async ({ path: file }) => ({
      contents: withProtos(await readFile(file, 'utf8'), protosOf(file)),
    })),
};

const READING = '.loadSync)(`${__dirname}/../proto/rpc.proto`,';

/** Throws where etcd3 does not read its files as expected: another version of it. */
export function withProtos(code: string, protos: object): string {
  const parts = code.split(READING);
  if (parts.length !== 2)
    throw new Error(`etcd3 does not read its .proto files with '${READING}': see bundle.ts`);
  return parts.join(`.fromJSON)(${JSON.stringify(protos)},`);
}

interface Protobuf {
  Root: new () => {
    loadSync(file: string, options: { keepCase: boolean }): { toJSON(): object };
  };
}

function protosOf(file: string): object {
  const ofEtcd3 = createRequire(file);
  const ofLoader = createRequire(ofEtcd3.resolve('@grpc/proto-loader'));
  const protobuf = ofLoader('protobufjs') as Protobuf;
  const rpc = path.join(path.dirname(file), '../proto/rpc.proto');
  return new protobuf.Root().loadSync(rpc, { keepCase: true }).toJSON();
}
