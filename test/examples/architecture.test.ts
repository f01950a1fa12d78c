import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { packageRoot } from '../../lib/core/package.ts';

const text = (path: string) => readFile(join(packageRoot, path), 'utf8');

test('docs/architecture.md shows a family, and the case that is recorded of it, as they are', async () => {
  const document = await text('docs/architecture.md');
  expect(document).toContain(`\`\`\`ts\n${await text('lib/model/families/qwen3.ts')}\`\`\``);
  const [recorded] = /^case\(\n {4}"qwen3-tied"[\s\S]*?^\)\n/m.exec(await text('test/torch/families/cases_llama.py'))!;
  expect(document).toContain(`\`\`\`python\n${recorded}\`\`\``);
});
