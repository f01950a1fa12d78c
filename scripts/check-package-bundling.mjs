// A program that esbuild has bundled: with the installed package left outside it works, with the package in it the bundle
// says in a sentence what is wrong.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { execPath } from 'node:process';

const require = createRequire(import.meta.url);
// tsx brings it along.
const { buildSync } = createRequire(require.resolve('tsx/package.json'))('esbuild');

/**
 * @param project folder in which the package is installed
 * @param program text of a module that uses it
 */
export function checkBundling(project, program, run) {
  writeFileSync(join(project, 'to-bundle.mjs'), program);
  const build = (format, external) => {
    const outfile = join(project, 'bundled', `${external.length > 0 ? 'outside' : 'inside'}.${format}.js`);
    const settings = { bundle: true, platform: 'node', format, external, outfile, logLevel: 'silent' };
    buildSync({ ...settings, entryPoints: [join(project, 'to-bundle.mjs')], outExtension: undefined });
    return outfile;
  };
  writeFileSync(join(project, 'bundled-package.json'), '');
  for (const format of ['esm', 'cjs']) {
    run(execPath, [build(format, ['soul-unlearn'])]);
    const { status, stderr } = spawnSync(execPath, [build(format, [])], { cwd: project, encoding: 'utf8' });
    if (status === 0 || !/SoulError: soul-unlearn was bundled.* mark soul-unlearn as external/.test(stderr)) {
      throw new Error(`a bundle (${format}) with the package in it ended with ${status}:\n${stderr}`);
    }
  }
}
