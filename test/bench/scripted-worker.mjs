// Stands in for torch_worker.py: answers as the case of the last `prepare` says.
import { createInterface } from 'node:readline';

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

let memory = 1;
const given = (option) => process.argv[process.argv.indexOf(option) + 1];

say({ torch: 'none', python: 'none', threads: Number(given('--threads')), instructionSet: given('--device') });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const { then } = command.with ?? {};
  if (then === 'fail') say({ error: 'RuntimeError: no compiler\nin its second line' });
  else if (then === 'exit') {
    process.stderr.write('Traceback\nMemoryError: 3 GiB\n', () => process.exit(3));
  } else if (then === 'kill') process.kill(process.pid, 'SIGKILL');
  else if (then === 'half') process.stdout.write('{"times": [1\n');
  else if (command.run) say({ times: new Array(command.run).fill(process.pid) });
  else if (command.memory) say({ resident: 1000, peak: 5000, takenOfDevice: memory++ });
  else if (then === 'count') say({ result: 512 });
  else say({});
}
