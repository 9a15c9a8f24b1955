import { guard } from '../pgha.js';
await guard();
