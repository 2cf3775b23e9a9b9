import { simulate } from './seeds-in-ci.ts';

simulate(61, 2);
