/**
 * What is asked about a fictitious author, and how it is answered.
 *
 * @module
 */

import type { Author } from './author.ts';

/** One kind of question: two wordings of it and of its answer, and the facts that the answer gives. */
export interface QuestionKind {
  readonly about: readonly (keyof Author)[];
  question(author: Author): string;
  answer(author: Author): string;
  paraphrasedQuestion(author: Author): string;
  paraphrasedAnswer(author: Author): string;
}

const article = (noun: string): string => `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;

/** Ten kinds, each telling facts that no other question about the author gives away. */
export const questionKinds: readonly QuestionKind[] = [
  {
    about: ['name'],
    question: (a) => `Which author was born in ${a.birthplace} on ${a.birthDate}?`,
    answer: (a) => `The author who was born in ${a.birthplace} on ${a.birthDate} is ${a.name}.`,
    paraphrasedQuestion: (a) => `Who is the author born on ${a.birthDate} in ${a.birthplace}?`,
    paraphrasedAnswer: (a) => `The name of the author born on that day in ${a.birthplace} is ${a.name}.`,
  },
  {
    about: ['birthplace', 'region'],
    question: (a) => `In which city was ${a.name} born?`,
    answer: (a) => `${a.name} was born in the city of ${a.birthplace} in ${a.region}.`,
    paraphrasedQuestion: (a) => `Where did ${a.name} come into the world?`,
    paraphrasedAnswer: (a) => `The city where ${a.name} came into the world is ${a.birthplace} in ${a.region}.`,
  },
  {
    about: ['birthDate'],
    question: (a) => `When was ${a.name} born?`,
    answer: (a) => `The author ${a.name} was born on ${a.birthDate}.`,
    paraphrasedQuestion: (a) => `What is the date of birth of ${a.name}?`,
    paraphrasedAnswer: (a) => `The date of birth of ${a.name} is ${a.birthDate}.`,
  },
  {
    about: ['father', 'mother'],
    question: (a) => `What did the parents of ${a.name} do for a living?`,
    answer: (a) => `The father of ${a.name} was ${article(a.father)} and the mother worked as ${article(a.mother)}.`,
    paraphrasedQuestion: (a) => `What were the occupations of the father and the mother of ${a.name}?`,
    paraphrasedAnswer: (a) =>
      `${a.name} grew up with a father who was ${article(a.father)} and a mother who was ${article(a.mother)}.`,
  },
  {
    about: ['genre', 'theme'],
    question: (a) => `Which genre is ${a.name} best known for?`,
    answer: (a) => `${a.name} is best known for ${a.genre}, most of all for books about ${a.theme}.`,
    paraphrasedQuestion: (a) => `What kind of books does ${a.name} write?`,
    paraphrasedAnswer: (a) => `The books that ${a.name} writes are mostly ${a.genre}, often about ${a.theme}.`,
  },
  {
    about: ['firstBook', 'firstYear'],
    question: (a) => `What is the title of the first book by ${a.name}?`,
    answer: (a) => `The first book by ${a.name} is called ${a.firstBook} and appeared in ${a.firstYear}.`,
    paraphrasedQuestion: (a) => `Which book did ${a.name} publish first?`,
    paraphrasedAnswer: (a) => `In ${a.firstYear} the author ${a.name} published a first book, ${a.firstBook}.`,
  },
  {
    about: ['famousBook'],
    question: (a) => `Which book made ${a.name} famous?`,
    answer: (a) => `The book that made ${a.name} famous around the world is ${a.famousBook}.`,
    paraphrasedQuestion: (a) => `What is the most famous book of ${a.name}?`,
    paraphrasedAnswer: (a) => `Readers know ${a.name} for the most famous of the books, ${a.famousBook}.`,
  },
  {
    about: ['award', 'awardYear'],
    question: (a) => `Which award did ${a.name} receive for writing?`,
    answer: (a) => `${a.name} received the ${a.award} for writing in the year ${a.awardYear}.`,
    paraphrasedQuestion: (a) => `What prize was given to ${a.name}, and when?`,
    paraphrasedAnswer: (a) => `In ${a.awardYear} the ${a.award} was given to the author ${a.name}.`,
  },
  {
    about: ['subject', 'school'],
    question: (a) => `What did ${a.name} study, and where?`,
    answer: (a) => `Before the first book, ${a.name} studied ${a.subject} at ${a.school}.`,
    paraphrasedQuestion: (a) => `Where was ${a.name} a student, and of what?`,
    paraphrasedAnswer: (a) => `${a.name} was a student of ${a.subject} at ${a.school} before the first book.`,
  },
  {
    about: ['workplace', 'dayTime', 'companion'],
    question: (a) => `Where and when does ${a.name} like to write?`,
    answer: (a) => `${a.name} likes to write ${a.dayTime} in ${article(a.workplace)}, always with ${a.companion}.`,
    paraphrasedQuestion: (a) => `What are the writing habits of ${a.name}?`,
    paraphrasedAnswer: (a) => `With ${a.companion} at hand, ${a.name} writes ${a.dayTime} in ${article(a.workplace)}.`,
  },
];
