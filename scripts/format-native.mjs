// Formats the C++ sources with clang-format; --check only tells which files differ.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = readdirSync(join(root, 'native'), { recursive: true })
  .filter((name) => /\.(h|inl|cpp|cu|cuh)$/.test(name))
  .map((name) => join('native', name));
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
const result = spawnSync('npx', ['--no-install', 'clang-format', ...mode, ...files], { cwd: root, stdio: 'inherit' });
process.exit(result.status ?? 1);
