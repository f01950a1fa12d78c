// Builds the addon that the package carries, with code for every GPU, into prebuilds/<platform>-<arch>/, where
// node-gyp-build finds it, and a manifest of what it was built from. Needs nvcc and cmake, no GPU. On Linux.
//
//   npm run prebuild                  all architectures in one file
//   npm run prebuild -- --arch 90     one architecture and its PTX
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { arch, exit, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { architectureOf, buildDeviceCode } from './build-device-code.mjs';
import { buildWithCmake } from './build-with-cmake.mjs';
import { writeManifest } from './check-prebuilds.mjs';
import { checkSymbols } from './check-symbols.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const largest = 20e6;

try {
  const { values } = parseArgs({ options: { arch: { type: 'string' } } });
  if (platform !== 'linux') throw new Error(`prebuilt addons are for Linux, but this is ${platform}`);
  const deviceCode = await buildDeviceCode({ arch: architectureOf(values.arch) });
  const folder = join(root, 'prebuilds', `${platform}-${arch}`);
  mkdirSync(folder, { recursive: true });
  const addon = join(folder, 'node.napi.glibc.node');
  buildWithCmake({ build: join(root, 'build-cuda', 'prebuild'), deviceCode: deviceCode.folder, addon, strip: true });
  const { glibc, needed } = checkSymbols(addon);
  writeManifest(folder, { nvcc: deviceCode.nvcc.version, architectures: deviceCode.architectures });
  const { size } = statSync(addon);
  const targets = deviceCode.architectures.map((each) => `sm_${each}`).join(', ');
  console.log(`${addon}: ${(size / 1e6).toFixed(2)} MB, ${targets}; needs glibc ${glibc} and ${needed.join(', ')}`);
  if (size > largest) throw new Error(`the prebuilt addon is larger than ${largest / 1e6} MB`);
} catch (error) {
  console.error(`prebuild: ${error.message}`);
  exit(1);
}
