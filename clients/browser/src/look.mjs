// Looks once at a page of a running server, as its operator if it is a page of the console: at a desk by day, and on a telephone by night. What somebody
// would complain about ends it with a list. `cargo xtask story` is its user.
//
//     node src/look.mjs --chromium PATH --url URL --operator NAME --password TEXT --page /console/alerts --pictures FOLDER --name story-alerts

import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { checkLayout, watch } from './checks.mjs';
import { open, picture, SIGHTS, signIn } from './sight.mjs';

const wanted = ['chromium', 'url', 'operator', 'password', 'page', 'pictures', 'name'];
const { values } = parseArgs({ options: Object.fromEntries(wanted.map((name) => [name, { type: 'string' }])) });

async function main() {
  const complaints = [];
  await mkdir(values.pictures, { recursive: true });
  const browser = await chromium.launch({ executablePath: values.chromium, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    // Signing in has its limits: it is done once.
    let storageState;
    for (const sight of [SIGHTS[0], SIGHTS[3]]) {
      const context = await open(browser, values.url, sight, storageState);
      const page = await context.newPage();
      const complain = (what) => complaints.push(`${sight.name} ${values.page}: ${what}`);
      watch(page, complain);
      if (values.page.startsWith('/console') && !storageState) {
        await page.goto('/console/login');
        await signIn(page, [['name', values.operator], ['password', values.password]]);
        storageState = await context.storageState();
      }
      const answer = await page.goto(values.page);
      if (!answer.ok() || new URL(page.url()).pathname !== values.page) complain(`it answered ${answer.status()} at ${page.url()}`);
      await checkLayout(page, complain);
      await picture(page, values.pictures, values.name, sight);
      await context.close();
    }
  } finally {
    await browser.close();
  }
  if (complaints.length > 0) throw new Error(`${complaints.length} complaints:\n${complaints.map((one) => `  ${one}`).join('\n')}`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`error: ${error.message}`);
    process.exit(1);
  },
);
