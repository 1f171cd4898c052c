// The theme of VitePress in the colours of the card form.

import DefaultTheme from 'vitepress/theme';
import './style.css';

export default DefaultTheme;
