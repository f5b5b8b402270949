//! How the status page looks.

/// The style sheet. It stands in the page itself, so that one file is enough to show it anywhere.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1d1f21;--soft:#5d646b;--back:#f7f6f3;--card:#fff;--line:#dcd9d2;--link:#0b5a8a;--shade:#0003;\
--well:#1d7a46;--well-back:#e3f2e8;--unwell:#a3341b;--unwell-back:#fbe7e1;--planned:#7a5b00;--planned-back:#faf0d2}\
@media (prefers-color-scheme:dark){:root{--text:#e7e5e1;--soft:#a2a7ab;--back:#16181a;--card:#1f2225;--line:#363b3f;--link:#7cc0ec;--shade:#000a;\
--well:#7fd3a0;--well-back:#17301f;--unwell:#ffab93;--unwell-back:#3a1d16;--planned:#efcf74;--planned-back:#332a0d}}\
*{box-sizing:border-box}\
body{margin:0 auto;max-width:52rem;padding:0 1.25rem 3rem;background:var(--back);color:var(--text);\
font:1.0625rem/1.6 system-ui,'Noto Sans','Noto Sans SC','Liberation Sans',sans-serif}\
a{color:var(--link);text-underline-offset:.15em}a:focus-visible,.wide:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}\
.skip{position:absolute;left:-100vw}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.4rem .8rem}\
.top{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline;justify-content:space-between;padding:1.5rem 0 1rem}\
.service{margin:0;font-weight:650;overflow-wrap:anywhere}\
.languages{display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:0;padding:0;list-style:none;font-size:.9375rem}\
.languages a,.languages span{display:inline-block;padding:.2rem 0}.languages span{color:var(--soft)}\
.verdict{display:flex;gap:.9rem;align-items:center;padding:1.1rem 1.25rem;border-radius:.6rem;border:1px solid}\
.verdict h1{margin:0;font-size:1.5rem;line-height:1.25;font-weight:650}.verdict svg{flex:none}\
.verdict circle,.verdict .solid{fill:currentColor;stroke:none}\
.verdict path{fill:none;stroke-width:2.4;stroke-linecap:round;stroke-linejoin:round}\
.well{color:var(--well);background:var(--well-back)}.well path{stroke:var(--well-back)}\
.unwell{color:var(--unwell);background:var(--unwell-back)}.unwell path{stroke:var(--unwell-back)}\
.planned{color:var(--planned);background:var(--planned-back)}.planned path{stroke:var(--planned-back)}\
h2{margin:2.5rem 0 .75rem;font-size:1.1875rem;font-weight:650}h3{margin:0;font-size:1.0625rem;font-weight:650;line-height:1.35}\
.soft,.when,.at,footer{color:var(--soft)}.soft{margin:.25rem 0 .75rem}\
.incident{margin:0 0 .75rem;padding:1rem 1.25rem;background:var(--card);border:1px solid var(--line);border-radius:.6rem;overflow-wrap:anywhere}\
.on{border-inline-start:.3rem solid var(--unwell)}\
.when{margin:.2rem 0 0;font-size:.9375rem}.state{font-weight:600}.on .state{color:var(--unwell)}.over .state{color:var(--well)}\
.updates{margin:.75rem 0 0;padding:.75rem 0 0;list-style:none;border-top:1px solid var(--line)}\
.updates li+li{margin-top:.9rem}.updates p{margin:.15rem 0}.at{font-size:.875rem}\
time{white-space:nowrap;font-variant-numeric:tabular-nums}\
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.35rem 1.5rem;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\
.wide{overflow-x:auto;background:linear-gradient(90deg,var(--card) 40%,transparent),\
linear-gradient(270deg,var(--card) 40%,transparent) 100% 0,linear-gradient(90deg,var(--shade),transparent),\
linear-gradient(270deg,var(--shade),transparent) 100% 0 var(--card);background-repeat:no-repeat;\
background-size:2.5rem 100%,2.5rem 100%,.8rem 100%,.8rem 100%;background-attachment:local,local,scroll,scroll;border:1px solid var(--line);border-radius:.6rem}\
table{border-collapse:collapse;width:100%;font-size:.9375rem}\
th,td{padding:.5rem .9rem;text-align:start;vertical-align:top;font-weight:400}thead th{color:var(--soft);font-size:.875rem;vertical-align:bottom}\
tbody th[scope=rowgroup]{font-weight:650}tbody tr,tbody+tbody{border-top:1px solid var(--line)}\
.number{text-align:end;font-variant-numeric:tabular-nums}.zero{color:var(--soft)}\
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.9375rem}footer p{margin:.2rem 0}\
@media (max-width:34rem){body{padding:0 1rem 2rem}.verdict h1{font-size:1.25rem}.verdict{padding:.9rem 1rem}\
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}th,td{padding:.45rem .6rem}}\
@media print{:root{--back:#fff;--card:#fff}.languages,.skip{display:none}}";
