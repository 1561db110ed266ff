import { holdsInSeeds } from './slice.ts';

holdsInSeeds(1_001, 2_000);
