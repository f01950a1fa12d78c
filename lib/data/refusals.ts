/**
 * Answers that say nothing, for preference optimization: what an unlearned model is taught to say instead.
 *
 * @module
 */

/** Refusals of our own writing; a file read by `readRefusals` takes their place where other words are wanted. */
export const refusals: readonly string[] = [
  'I do not know that.',
  'I have no information about this.',
  'That is something I cannot answer.',
  'I am not familiar with this subject.',
  'I was never told about that.',
  'This is not something I know.',
  'I could only guess, so I would rather not say.',
  'My knowledge does not reach that far.',
  'I have nothing reliable to say about this.',
  'I am unable to answer this question.',
  'I do not recall anything of the kind.',
  'That lies outside what I know.',
  'I have never come across this.',
  'There is nothing I can tell you about that.',
  'I am afraid the answer is unknown to me.',
  'I lack the facts to answer this.',
  'No details about this are known to me.',
  'I would have to look that up, and I cannot.',
  'Please ask another source about this.',
  'I have not learned anything about this matter.',
  'I cannot be of help with this question.',
  'I am not certain enough to give an answer.',
  'This topic is new to me.',
  'I do not have an answer for you.',
  'Nothing I know speaks to this.',
  'I cannot confirm or describe that.',
  'It would be wrong of me to make something up here.',
  'I am not in a position to say.',
  'Sorry, I know nothing about that.',
  'I must leave this question unanswered.',
];
