// Papers: files that `domicile dossier … --format html` and its like write, on a screen and as a browser prints them.

import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

import { checkLayout } from './checks.mjs';
import { picture } from './sight.mjs';

/** A4 between its margins of 20 mm, in the pixels of a browser. */
const PRINTED = { name: 'print', width: 643, height: 956 };

/** On a screen. */
export async function papers(page, place, see, complain) {
  for (const { name, file } of place.papers) {
    await page.goto(pathToFileURL(file).href);
    if (/<(script|link|img|iframe)\b/.test(await readFile(file, 'utf8'))) complain(`the paper ${name} fetches something`);
    await see(`paper-${name}`);
  }
}

/** As they are printed: whoever reads in the dark prints black on white all the same. */
export async function papersInPrint(browser, place, { pictures, only }, complain) {
  const context = await browser.newContext({
    viewport: { width: PRINTED.width, height: PRINTED.height },
    colorScheme: 'dark',
    javaScriptEnabled: false,
  });
  const page = await context.newPage();
  await page.emulateMedia({ media: 'print' });
  for (const { name, file } of place.papers) {
    if (only && !`paper-${name}`.includes(only)) continue;
    await page.goto(pathToFileURL(file).href);
    await checkLayout(page, (what) => complain(`paper-${name}: ${what}`));
    const back = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    if (back !== 'rgb(255, 255, 255)') complain(`paper-${name} is printed on ${back}`);
    // What is wider than the sheet is cut off by a printer: nothing can be scrolled there.
    const cut = await page.evaluate(() => [...document.querySelectorAll('.wide')].filter((wide) => wide.scrollWidth > wide.clientWidth + 1).length);
    if (cut > 0) complain(`paper-${name}: ${cut} tables are wider than a sheet`);
    const pdf = await page.pdf({ format: 'A4', preferCSSPageSize: true });
    const sheets = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    if (sheets === 0) complain(`paper-${name}: no sheet comes out of the printer`);
    await picture(page, pictures, `paper-${name}`, PRINTED);
  }
  await context.close();
}
