import './ui/tokens.css';
import './ui/base.css';

import { mount } from 'svelte';

import App from './app/App.svelte';

const target = document.getElementById('page');
if (target) mount(App, { target });
