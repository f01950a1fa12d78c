// Puts binding.gyp into dist/, where a published package has it: in the package's root npm would run node-gyp at every install.
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const place = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
copyFileSync(place('binding.gyp'), place('dist/binding.gyp'));
