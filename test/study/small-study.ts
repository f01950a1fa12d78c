/**
 * A study's file for tests.
 *
 * @module
 */

import { type Study, type StudyFile, studyFrom } from '../../lib/study/index.ts';

export const smallFile: StudyFile = {
  models: [{ name: 'demo', made: 'demo' }],
  splits: [{ name: 'invented', made: 'demo' }],
  methods: ['graddiff'],
  optimizers: ['adamw', 'gnb-10'],
};

/** The study that the file above is, with changes. */
export function smallStudy(changes: Partial<StudyFile> = {}): Study {
  return studyFrom({ ...smallFile, ...changes }, { folder: '/studies', name: 'small' });
}
