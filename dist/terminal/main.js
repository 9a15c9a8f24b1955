import { terminal } from '../pgha.js';
await terminal();
