import { simulate } from './seeds-in-ci.ts';

simulate(1, 3);
