import { provisionPgaf } from '../pgha.js';
await provisionPgaf();
