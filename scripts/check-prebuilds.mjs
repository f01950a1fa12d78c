// What the package carries in prebuilds/: an addon for each platform, and beside it a manifest of what it was built from.
//
//   node scripts/check-prebuilds.mjs           fails unless every platform's addon is there, fresh, and for all GPUs
//   node scripts/check-prebuilds.mjs --warn    only warns, and only of what is there and would be packed
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { filesBelow } from './build-addon.mjs';
import { architectures } from './build-device-code.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const platforms = ['linux-x64', 'linux-arm64'];
const sources = ['CMakeLists.txt', 'native/addon', 'native/compatibility', 'native/kernels', 'native/runtime'];

const addonIn = (folder) => join(folder, 'node.napi.glibc.node');
const manifestIn = (folder) => join(folder, 'manifest.json');
const digestOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Of everything that the addon is compiled from. */
function sourcesDigest() {
  const hash = createHash('sha256');
  for (const source of sources) {
    const path = join(root, source);
    for (const file of source.includes('.') ? [path] : filesBelow(path)) {
      hash.update(`\n${file.slice(root.length)}\n`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** Says beside a prebuilt addon what it was built from. */
export function writeManifest(folder, { nvcc, architectures }) {
  const manifest = { architectures, nvcc, sources: sourcesDigest(), addon: digestOf(addonIn(folder)) };
  writeFileSync(manifestIn(folder), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** Why a platform's addon should not be published, one sentence each. */
export function problemsOfPrebuilt(folder, name) {
  if (!existsSync(addonIn(folder)))
    return [`${name}: there is no prebuilt addon; make it there with: npm run prebuild`];
  if (!existsSync(manifestIn(folder))) return [`${name}: nothing says what its addon was built from; build it again`];
  const manifest = JSON.parse(readFileSync(manifestIn(folder), 'utf8'));
  const lacking = architectures.filter((each) => !manifest.architectures.includes(each));
  return [
    ...(lacking.length > 0
      ? [`${name}: its addon has no code for ${lacking.map((each) => `sm_${each}`).join(', ')}`]
      : []),
    ...(manifest.sources === sourcesDigest() ? [] : [`${name}: its addon was built from other sources than these`]),
    ...(manifest.addon === digestOf(addonIn(folder)) ? [] : [`${name}: its addon is not the one of its manifest`]),
  ];
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  const warn = argv.includes('--warn');
  const place = join(root, 'prebuilds');
  const present = existsSync(place) ? readdirSync(place) : [];
  const problems = (warn ? present : platforms).flatMap((name) => problemsOfPrebuilt(join(place, name), name));
  for (const problem of problems) console.error(`check-prebuilds: ${warn ? 'warning: ' : ''}${problem}`);
  if (!warn && problems.length > 0) {
    console.error('check-prebuilds: the release workflow builds what is to be published');
    exit(1);
  }
}
