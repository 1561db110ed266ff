import { holdsInSeeds } from './slice.ts';

holdsInSeeds(1, 1_000);
