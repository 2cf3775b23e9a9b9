import { simulate } from './seeds-in-ci.ts';

simulate(121, 6);
