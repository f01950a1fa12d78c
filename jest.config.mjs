// Idle threads of OpenMP sleep soon (lib/torch/engine.ts does it in the product); must be set before jest copies the environment.
process.env.GOMP_SPINCOUNT ??= '1000';

// scripts/test.mjs runs jest twice: for test/cuda with devices, real or emulated, and for all else without.
const cuda = '<rootDir>/test/cuda/';
const onDevices = Boolean(process.env.SOUL_TEST_CUDA);

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: [onDevices ? `${cuda}**/*.test.ts` : '<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', ...(onDevices ? [] : [cuda])],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } },
    ],
  },
  testTimeout: 60_000,
  // Two workers of libtorch on a small machine would fight for the same cores.
  maxWorkers: 1,
};
