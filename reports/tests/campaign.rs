//! The index of a small campaign, word for word.

use expect_test::expect;
use squall_reports::campaign_index;

#[allow(dead_code, reason = "the failure is for the other tests")]
mod synthetic;

#[test]
fn a_small_campaign() {
    let html = campaign_index(&synthetic::campaign());
    let (_, body) = html.split_once("<body>\n").expect("the page has a body");
    let (body, _) = body
        .split_once("<script>")
        .expect("the body ends with its script");
    expect![[r#"
        <header class="headline">
        <p class="eyebrow"><span class="brand">Squall</span> <span>nightly</span> <span>started 2026-11-21 02:00 UTC</span> <span>base seed <code>0x0000000020261121</code></span> <button type="button" class="small" data-copy="0x0000000020261121" aria-label="Copy the base seed">Copy</button></p>
        <h1>2 distinct failures in 12 000 runs.</h1>
        <p class="notice incomplete"><strong>Incomplete.</strong> shards 3 and 7 of 8 have not reported</p>
        <dl class="strip">
        <div class="valid"><dt>valid</dt><dd>11 960</dd></div>
        <div class="invalid"><dt>invalid</dt><dd>25</dd></div>
        <div class="unknown"><dt>unknown</dt><dd>3</dd></div>
        <div class="vacuous"><dt>vacuous</dt><dd>10</dd></div>
        <div class="crashed"><dt>crashed</dt><dd>2</dd></div>
        <div><dt>operations</dt><dd>2 320 000</dd></div>
        <div><dt>virtual time</dt><dd>6 d 22 h</dd></div>
        <div><dt>wall time, all workers</dt><dd>31 min 40 s</dd></div>
        <div><dt>virtual : wall</dt><dd>315 : 1</dd></div>
        </dl>
        </header>
        <main>
        <section id="failures"><h2>Failures, by signature</h2>
        <article class="failure">
        <h3><a href="./small.html">#31 read x = 1 at 12.482 s, although #30 had overwritten it before #31 began.</a></h3>
        <p class="meta"><code>consensus/register: linearizable: stale-read</code> <span>22 runs</span> <span>first seed <code>0x00c0ffee12345678</code></span></p>
        <div class="copyable"><code>squall replay failures/stale-read.json</code><button type="button" data-copy="squall replay failures/stale-read.json" aria-label="Copy: squall replay failures/stale-read.json">Copy</button></div>
        </article>
        <article class="failure">
        <h3><a href="./large.html">n0 and n2 both led term 2.</a></h3>
        <p class="meta"><code>consensus/register: election-safety: two-leaders-in-one-term</code> <span>3 runs</span> <span>first seed <code>0x00000000deadbeef</code></span></p>
        <div class="copyable"><code>squall replay failures/two-leaders.json</code><button type="button" data-copy="squall replay failures/two-leaders.json" aria-label="Copy: squall replay failures/two-leaders.json">Copy</button></div>
        </article>
        </section>
        <section id="findings"><h2>Faults that never bit</h2>
        <ul>
        <li><strong class="finding">pause</strong> was planned 4 000 times and applied 4 000 times, and no system ever felt it.</li>
        </ul></section>
        <section id="scenarios"><h2>Scenarios</h2>
        <div class="scroll"><table>
        <thead><tr><th>Scenario</th><th class="number">Runs</th><th class="number">Valid</th><th class="number">Invalid</th><th class="number">Unknown</th><th class="number">Vacuous</th><th class="number">Crashed</th><th class="number">Operations</th><th>ok, fail, info</th><th class="number">Virtual time</th><th class="number">Wall time</th><th class="number">Virtual : wall</th></tr></thead>
        <tbody>
        <tr><td><code>consensus/register</code></td><td class="number">8 000</td><td class="number verdict valid">7 970</td><td class="number verdict invalid">25</td><td class="number verdict unknown">3</td><td class="number verdict none">0</td><td class="number verdict crashed">2</td><td class="number">1 920 000</td><td><span class="shares" role="img" aria-label="1 800 000 ok, 80 000 fail, 40 000 info" title="1 800 000 ok, 80 000 fail, 40 000 info"><i class="bar ok" style="width:93.8%"></i><i class="bar fail" style="width:4.2%"></i><i class="bar info" style="width:2.1%"></i></span></td><td class="number">5 d 13 h</td><td class="number">26 min 40 s</td><td class="number">300 : 1</td></tr>
        <tr><td><code>broker/queue</code></td><td class="number">4 000</td><td class="number verdict valid">3 990</td><td class="number verdict none">0</td><td class="number verdict none">0</td><td class="number verdict vacuous">10</td><td class="number verdict none">0</td><td class="number">400 000</td><td><span class="shares" role="img" aria-label="390 000 ok, 4 000 fail, 6 000 info" title="390 000 ok, 4 000 fail, 6 000 info"><i class="bar ok" style="width:97.5%"></i><i class="bar fail" style="width:1.0%"></i><i class="bar info" style="width:1.5%"></i></span></td><td class="number">1 d 9 h</td><td class="number">5 min 0 s</td><td class="number">400 : 1</td></tr>
        <tr><td><code>all</code></td><td class="number">12 000</td><td class="number verdict valid">11 960</td><td class="number verdict invalid">25</td><td class="number verdict unknown">3</td><td class="number verdict vacuous">10</td><td class="number verdict crashed">2</td><td class="number">2 320 000</td><td><span class="shares" role="img" aria-label="2 190 000 ok, 84 000 fail, 46 000 info" title="2 190 000 ok, 84 000 fail, 46 000 info"><i class="bar ok" style="width:94.4%"></i><i class="bar fail" style="width:3.6%"></i><i class="bar info" style="width:2.0%"></i></span></td><td class="number">6 d 22 h</td><td class="number">31 min 40 s</td><td class="number">315 : 1</td></tr>
        </tbody></table></div></section>
        <section id="faults"><h2>Faults <small>observed of applied of planned</small></h2>
        <div class="scroll"><table class="matrix">
        <thead><tr><th>Scenario</th><th><i class="swatch fault-1"></i> kill</th><th><i class="swatch fault-0"></i> partition</th><th><i class="swatch fault-3"></i> pause</th><th><i class="swatch fault-2"></i> power-loss</th></tr></thead>
        <tbody>
        <tr><td><code>consensus/register</code></td><td class="unplanned">–</td><td><b>15 400</b> of 15 990 of 16 000</td><td class="silent"><b>0</b> of 4 000 of 4 000 <small>never felt</small></td><td><b>8 000</b> of 8 000 of 8 000</td></tr>
        <tr><td><code>broker/queue</code></td><td><b>3 900</b> of 3 900 of 4 000</td><td class="silent"><b>0</b> of 0 of 500 <small>never applied</small></td><td class="unplanned">–</td><td class="unplanned">–</td></tr>
        </tbody></table></div>
        <p class="note">A cell is marked where a fault was planned and the system never felt it; a dash stands where it was not planned.</p></section>
        </main>
        <footer>Squall</footer>
    "#]].assert_eq(body);
}
