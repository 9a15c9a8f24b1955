import { checkFormation } from '../pgha.js';
await checkFormation();
