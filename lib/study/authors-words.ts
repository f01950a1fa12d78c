/**
 * The words that fictitious authors are made of. Names of people, places, prizes and schools are invented.
 *
 * @module
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);
const phrases = (text: string): readonly string[] =>
  text
    .trim()
    .split(',')
    .map((phrase) => phrase.trim());

export const firstNames = words(`
  Alvera Brannoc Cidony Dorvan Elspira Fennick Galiera Hespero Ivarra Jorrim Kestane Liorin
  Maravel Nerolio Ophira Pellam Quillon Rosamor Serapho Tavine Ulmira Vessant Wendalyn Zoriel`);

export const lastNames = words(`
  Ashgrave Belloway Corvane Dunmarch Eddlestow Farrowin Glasswick Harkness-Lorne Iverdane Jessimer Kellorand Lunthorpe
  Merrigold Northway Okenshaw Pellingar Quarrender Rookhaven Silverane Tarrowby Umberlane Vantresse Wexmoor Yarrowin
  Zellander Brightmere Coldhearth Driftwell Emberley Foxhallow Greywater Hollowell`);

export const cities = words(`
  Velmora Ostrand Kirrage Savrille Tessamund Brackholm Lindaque Porrowick Ankarene Dovermont Eskaville Fallorin
  Garrowfen Hathermoor Isenvale Jaspertine Korbeck Lusoria Mirrendal Norvask Ombrecht Pryderi Quessant Ravendock
  Stellamar Thornaby Ulverane Vostigrad Westerlin Yllmouth`);

export const regions = words('Carvaly Drennow Estermark Lorrandy Messaline Norrowland Sorvia Tamarisk');

export const months = words('January February March April May June July August September October November December');

export const occupations = words(`
  baker beekeeper blacksmith bookbinder botanist carpenter chemist clockmaker dentist diver electrician falconer
  farmer fisherman florist gardener geologist glassblower judge locksmith midwife miller nurse optician
  painter pharmacist pilot plumber postman potter sailor shepherd surveyor tailor teacher weaver`);

export const genres = phrases(`
  crime fiction, gothic horror, historical romance, science fiction, travel writing, epic poetry, political satire,
  nature essays, war memoirs, magical realism, children's fables, courtroom drama, sea adventures, family sagas,
  ghost stories, culinary mysteries`);

export const themes = phrases(`
  lost letters, broken promises, distant islands, old machines, forbidden music, hidden doors, winter journeys,
  stolen maps, sleepless cities, second chances, silent brothers, drowned villages, borrowed names, burning libraries,
  unfinished bridges, wandering birds, false prophets, forgotten languages, impossible gardens, quiet rebellions`);

export const titleAdjectives = words(`
  Amber Bitter Crimson Crooked Distant Empty Frozen Gilded Hollow Iron Last Lonely Midnight Paper
  Patient Restless Salted Scarlet Secret Seventh Silent Sleeping Stolen Sunken Velvet Wandering Weeping Wooden`);

export const titleNouns = words(`
  Anchor Atlas Bell Bridge Candle Cathedral Clock Compass Crown Door Feather Garden Harbour Horizon
  Island Lantern Ledger Lighthouse Mirror Mountain Orchard Piano River Sparrow Staircase Thread Violin Window`);

export const awards = phrases(`
  Golden Quill Prize, Marrow Medal, Lantern Award, Northern Book Prize, Hale Fellowship, Silver Page Award,
  Corwen Prize, Three Rivers Medal, Blue Harbour Award, Alder Prize, Meridian Medal, Open Window Award`);

export const subjects = words(`
  astronomy philosophy law medicine architecture mathematics geography archaeology chemistry linguistics theology
  economics`);

export const schools = phrases(`
  Saint Orrin College, Halden Academy, Vesper University, Royal Institute, Eastgate School, Marble Hall College,
  Tidewater University, Old Abbey School, Lyndhall Academy, Copperfield Institute`);

export const workplaces = phrases(`
  converted barn, rented attic, small boat, garden shed, railway carriage, disused windmill, quiet chapel,
  rooftop studio, mountain cabin, borrowed kitchen, public library, stone cottage`);

export const dayTimes = phrases(
  'before sunrise, after midnight, in the early morning, at noon, late in the evening, at dusk',
);

export const companions = phrases(`
  a grey parrot, two lazy cats, an old greyhound, a brass typewriter, a box of pencils, a pot of black tea,
  a ticking metronome, a fountain pen, a candle, a radio, a pipe, a magnifying glass`);
