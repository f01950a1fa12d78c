/**
 * What a figure was measured on, in words.
 *
 * @module
 */

import { memory } from '../../lib/cli/terminal.ts';
import type { GpuDescription, MachineDescription } from '../machine.ts';

/** For a heading. */
export function machineWords({ processor, threads, instructionSet, gpu }: MachineDescription): string {
  return gpu ? gpu.name : `${processor}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${instructionSet}`;
}

/** A sentence. */
export function machineFacts(machine: MachineDescription, startedAt: string, command: string): string {
  const facts = [
    ...(machine.gpu ? gpuFacts(machine.gpu) : []),
    ...(machine.gpu ? [machine.processor] : []),
    `${machine.processors} processors`,
    `${memory(machine.memory)} of memory`,
    machine.system,
    `load ${machine.load.toFixed(2)} before it began`,
    `Node ${machine.node}`,
    ...(machine.compiler ? [`addon compiled by ${machine.compiler}`] : []),
    machine.package + (machine.commit ? ` at ${machine.commit}` : ''),
  ];
  return `Measured ${startedAt.slice(0, 10)} by \`${command}\`: ${facts.join(', ')}.`;
}

function gpuFacts({ architecture, machineCode, memory: bytes, multiprocessors, cuda, driver }: GpuDescription) {
  return [
    `architecture ${architecture} with the code of ${machineCode}`,
    `${multiprocessors} multiprocessors`,
    `${memory(bytes)} of device memory`,
    `${driver ? `driver ${driver}` : 'a driver'} for CUDA ${cuda}`,
  ];
}
