// How pages are looked at, and a picture of what is seen.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The width of a desk and of a telephone, by day and by night. */
export const SIGHTS = [
  { name: 'wide-light', width: 1280, height: 800, colorScheme: 'light' },
  { name: 'wide-dark', width: 1280, height: 800, colorScheme: 'dark' },
  { name: 'narrow-light', width: 360, height: 740, colorScheme: 'light' },
  { name: 'narrow-dark', width: 360, height: 740, colorScheme: 'dark' },
];
/** A picture shows the beginning of a long page. */
const TALLEST = { 1280: 1300, 360: 1200 };

/** A browser's window with one kind of sight, with the cookies of another if they are given. JavaScript is off: pages must not need it. */
export function open(browser, url, sight, storageState) {
  return browser.newContext({
    baseURL: url,
    viewport: { width: sight.width, height: sight.height },
    colorScheme: sight.colorScheme,
    locale: 'en-GB',
    javaScriptEnabled: false,
    storageState,
    reducedMotion: 'reduce',
  });
}

/** Writes down what is seen, from the top of the page. */
export async function picture(page, folder, name, sight) {
  const tall = await page.evaluate(() => document.documentElement.scrollHeight);
  const height = Math.min(Math.max(tall, sight.height), TALLEST[sight.width] ?? 1300);
  await page.evaluate(() => window.scrollTo(0, 0));
  const clip = { x: 0, y: 0, width: sight.width, height };
  const path = join(folder, `${name}-${sight.name}.png`);
  await page.screenshot({ path, clip, fullPage: true, animations: 'disabled' });
  // Pages have few colours: 64 of them make a third of the file, and nobody sees the difference.
  execFileSync('pngquant', ['--force', '--skip-if-larger', '--speed', '1', '--strip', '--nofs', '--output', path, '64', path]);
}

/** Fills in a form and sends it, by the keyboard. */
export async function signIn(page, fields) {
  for (const [name, value] of fields) await page.fill(`[name=${name}]`, value);
  const answered = page.waitForNavigation();
  await page.keyboard.press('Enter');
  await answered;
}
