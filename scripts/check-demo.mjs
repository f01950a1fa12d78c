// Checks the JSON of `soul demo --json`: with GradDiff both optimizers forget, and keep what they must.
import { readFileSync } from 'node:fs';

const { rows, seconds } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const original = rows.find(({ name }) => name === 'original');
const failures = rows
  .filter(({ method }) => method === 'graddiff')
  .flatMap(({ name, forgetProbability, retainProbability }) => [
    ...(forgetProbability > original.forgetProbability / 2 ? [`${name} does not forget: ${forgetProbability}`] : []),
    ...(retainProbability < original.retainProbability - 0.15 ? [`${name} does not retain: ${retainProbability}`] : []),
  ]);
if (rows.length < 8) failures.push(`only ${rows.length} rows`);
if (seconds > 360) failures.push(`the demo took ${Math.round(seconds)} s, more than 6 minutes`);
for (const failure of failures) console.error(failure);
if (failures.length > 0) process.exit(1);
console.log(`the demo: ${rows.length} models in ${Math.round(seconds)} s, both optimizers forget and retain`);
