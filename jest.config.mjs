// Idle threads of OpenMP sleep soon (lib/torch/engine.ts does it in the product); must be set before jest copies the environment.
process.env.GOMP_SPINCOUNT ??= '1000';

// scripts/test.mjs runs jest twice: for test/cuda with devices, real or emulated, and for all else without.
const cuda = '<rootDir>/test/cuda/';
const onDevices = Boolean(process.env.SOUL_TEST_CUDA);
// What takes minutes is for `npm run test:full`, and stands in files of its own.
const long = Boolean(process.env.SOUL_TEST_FULL);
const suffix = long ? '.full.test.ts' : '.test.ts';

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  // Tests import what they use; Observable Plot draws otherwise where it finds a global `it`.
  injectGlobals: false,
  testMatch: [`${onDevices ? cuda : '<rootDir>/test/'}**/*${suffix}`],
  testPathIgnorePatterns: ['/node_modules/', ...(onDevices ? [] : [cuda]), ...(long ? [] : ['\\.full\\.test\\.ts$'])],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } },
    ],
  },
  testTimeout: long ? 600_000 : 60_000,
  // Most of a test's time is one thread's; what two workers' libtorch does at once shares the cores.
  maxWorkers: 2,
};
