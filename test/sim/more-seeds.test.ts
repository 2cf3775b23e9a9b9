import { simulate } from './seeds-in-ci.ts';

simulate(81, 4);
