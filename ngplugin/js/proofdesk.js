// Proofdesk inside Neuroglancer 2.41.2: everything that changes after the session started.
//
// A state push from Python resets the whole client, so sites, segments, colours and the
// view are changed here, in place. What is patched are client internals; `selfCheck`
// looks for each of them at start, and where one is missing the annotation caches are
// invalidated instead (slower, with a flicker, but right).
(() => {
  "use strict";
  if (window.proofdesk) return; // The host announced the same page twice.

  const POINT = 0; // Neuroglancer's number for point annotations.
  const PROPERTY_OFFSET = 12; // Properties follow three float32 coordinates...
  const PROPERTY_BYTES = 8; // ...and fill this many bytes of a record.
  const POLL_MS = 50;
  const POLL_LIMIT = 1200; // One minute until the layers must be there.
  const RETRY_MS = 400;
  const RETRY_LIMIT = 5;
  const CELL_BYTES = 20; // Level, x, y, z and number of sites, before new sites.
  const TURN_MS = 30; // So long the page may be busy with new sites at a time.
  const REDRAW_MS = 1000; // At the latest, while cells keep coming.

  let config = null;
  let intact = true; // Whether every client internal that we patch exists.
  let segments = null; // The segments to show, once the layer is there.
  const afterStart = [];

  // The newest properties of every site patched so far. A cell that the worker
  // downloaded earlier may reach this thread later; it is brought up to date from here.
  const slots = new Map(); // id -> index into `latest`
  let latest = new Uint8Array(1024 * PROPERTY_BYTES);

  const flying = new Map(); // cell -> how many requests for it are under way
  const tickets = new Map(); // cell -> newest request; older replies are dropped
  const dirty = new Set(); // cells that changed while they were not on this thread
  const hooked = new WeakSet(); // sources whose arrivals we watch
  const counts = { stale: 0, refetched: 0, joined: 0, patched: 0, patching: 0 };

  const layer = (name) => window.viewer?.layerManager?.getLayerByName(name)?.layer;

  function annotationSource() {
    return layer(config.sites)?.annotationStates?.states?.[0]?.source;
  }

  function geometrySources() {
    const source = annotationSource();
    if (!source) return [];
    return [...source.spatiallyIndexedSources, ...source.segmentFilteredSources];
  }

  // ---- sites -------------------------------------------------------------------

  function remember(ids, bytes) {
    for (let i = 0; i < ids.length; ++i) {
      let slot = slots.get(ids[i]);
      if (slot === undefined) {
        slot = slots.size;
        slots.set(ids[i], slot);
        if ((slot + 1) * PROPERTY_BYTES > latest.length) {
          const grown = new Uint8Array(latest.length * 2);
          grown.set(latest);
          latest = grown;
        }
      }
      const from = i * PROPERTY_BYTES;
      latest.set(bytes.subarray(from, from + PROPERTY_BYTES), slot * PROPERTY_BYTES);
    }
  }

  // Writes the remembered properties of some of a chunk's sites into it.
  function patchChunk(chunk, ids) {
    const geometry = chunk.data;
    if (!geometry) return;
    const annotations = geometry.serializedAnnotations;
    const rows = annotations.typeToIdMaps[POINT];
    const stride = chunk.source.parent.annotationPropertySerializers[POINT].propertyGroupBytes[0];
    const start = annotations.typeToOffset[POINT] + PROPERTY_OFFSET;
    let hit = false;
    for (const id of ids ?? rows.keys()) {
      const row = rows.get(id);
      const slot = slots.get(id);
      if (row === undefined || slot === undefined) continue;
      const from = slot * PROPERTY_BYTES;
      const to = start + row * stride;
      for (let i = 0; i < PROPERTY_BYTES; ++i) annotations.data[to + i] = latest[from + i];
      hit = true;
    }
    if (hit) geometry.bufferValid = false;
  }

  function watchArrivals() {
    for (const source of geometrySources()) {
      if (hooked.has(source)) continue;
      hooked.add(source);
      const add = source.addChunk;
      source.addChunk = function (key, chunk) {
        patchChunk(chunk, null);
        add.call(this, key, chunk);
        const cell = cellName(source, key);
        if (cell !== null && dirty.has(cell)) refetch(source, key, cell, 0);
      };
      for (const chunk of source.chunks.values()) patchChunk(chunk, null);
    }
  }

  // `cells` are [level, "x,y,z", count]: where the sites lie, one cell's after the other's.
  function patchSites({ ids, cells, properties }) {
    const began = performance.now();
    remember(ids, bytesOf(properties));
    if (intact) {
      watchArrivals();
      patchCells(ids, cells);
      for (const source of annotationSource()?.segmentFilteredSources ?? []) {
        for (const chunk of source.chunks.values()) patchChunk(chunk, ids);
      }
      window.viewer.display.scheduleRedraw();
    } else {
      invalidate();
    }
    counts.patched += ids.length;
    counts.patching += performance.now() - began;
  }

  function patchCells(ids, cells) {
    const sources = levels();
    let from = 0;
    for (const [level, key, count] of cells) {
      const chunk = sources.get(level)?.chunks.get(key);
      if (chunk) patchChunk(chunk, ids.slice(from, from + count));
      from += count;
    }
  }

  function bytesOf(text) {
    const plain = atob(text);
    const bytes = new Uint8Array(plain.length);
    for (let i = 0; i < plain.length; ++i) bytes[i] = plain.charCodeAt(i);
    return bytes;
  }

  // The sources of cells by their levels.
  function levels() {
    const found = new Map();
    for (const source of annotationSource()?.spatiallyIndexedSources ?? []) {
      const level = /\/spatial(\d+)\/$/.exec(source.parameters?.url ?? "");
      if (level) found.set(Number(level[1]), source);
    }
    return found;
  }

  function invalidate() {
    for (const source of geometrySources()) source.invalidateCache();
  }

  function cellName(source, key) {
    const level = /\/(spatial\d+)\/$/.exec(source.parameters?.url ?? "");
    return level ? `${level[1]}/${key.replaceAll(",", "_")}` : null;
  }

  // New sites, by their rows in the store, come together and join those of their cells.
  // They stand at the end of each cell until the cells are arranged anew.
  async function addSites({ begin, end }, attempt = 0) {
    if (!intact) return invalidate();
    watchArrivals();
    let buffer = null;
    try {
      const reply = await fetch(`${config.base}/rows/${begin}_${end}`, { cache: "no-store" });
      if (reply.ok) buffer = await reply.arrayBuffer();
    } catch {
      // The server is away; tried again below.
    }
    if (buffer !== null) return join(buffer);
    if (attempt < RETRY_LIMIT) {
      setTimeout(() => addSites({ begin, end }, attempt + 1), RETRY_MS);
    }
  }

  async function join(buffer) {
    const view = new DataView(buffer);
    const cells = Number(view.getBigUint64(0, true));
    const stride =
      annotationSource().annotationPropertySerializers[POINT].propertyGroupBytes[0];
    let sites = 0;
    for (let i = 0; i < cells; ++i) sites += view.getUint32(8 + i * CELL_BYTES + 16, true);
    let record = 8 + cells * CELL_BYTES;
    let id = record + sites * stride;
    let pause = performance.now() + TURN_MS;
    for (let i = 0; i < cells; ++i) {
      const at = 8 + i * CELL_BYTES;
      const [level, x, y, z, count] = [0, 4, 8, 12, 16].map((j) => view.getUint32(at + j, true));
      const ids = Array.from({ length: count }, (_, j) =>
        view.getBigUint64(id + j * 8, true).toString(),
      );
      append(level, `${x},${y},${z}`, new Uint8Array(buffer, record, count * stride), ids);
      record += count * stride;
      id += count * 8;
      if (performance.now() > pause) {
        await new Promise((resolve) => setTimeout(resolve));
        pause = performance.now() + TURN_MS;
      }
    }
    counts.joined += sites;
    window.viewer.display.scheduleRedraw();
  }

  function append(level, key, records, ids) {
    const cell = `spatial${level}/${key.replaceAll(",", "_")}`;
    const source = levels().get(level);
    const chunk = source?.chunks.get(key);
    const held = chunk?.data?.serializedAnnotations;
    // What arrives later may have been made before these sites came.
    if (!held || flying.has(cell)) dirty.add(cell);
    if (!held) return;
    const rows = held.typeToIdMaps[POINT];
    const stride = records.length / ids.length;
    const fresh = ids.map((_, i) => i).filter((i) => !rows.has(ids[i]));
    if (fresh.length === 0) return;
    const known = held.typeToIds[POINT];
    const begin = held.typeToOffset[POINT];
    const data = new Uint8Array((known.length + fresh.length) * stride);
    data.set(held.data.subarray(begin, begin + known.length * stride));
    for (const i of fresh) {
      data.set(records.subarray(i * stride, (i + 1) * stride), known.length * stride);
      rows.set(ids[i], known.length);
      known.push(ids[i]);
    }
    fill(source, chunk, data, known, rows);
    patchChunk(chunk, fresh.map((i) => ids[i]));
  }

  // `cells` are [level, "x,y,z"]: cells that hold other sites than before.
  function refreshCells({ cells }) {
    if (!intact) return invalidate();
    watchArrivals();
    const wanted = new Set(cells.map(([level, key]) => `spatial${level}/${key}`));
    for (const [level, key] of cells) dirty.add(`spatial${level}/${key.replaceAll(",", "_")}`);
    for (const source of annotationSource()?.spatiallyIndexedSources ?? []) {
      const level = cellName(source, "")?.replace("/", "");
      for (const key of source.chunks.keys()) {
        if (wanted.has(`${level}/${key}`)) refetch(source, key, cellName(source, key), 0);
      }
    }
  }

  // A frame may take as long as many cells: they are drawn together once all have come, or
  // after a second.
  let coming = 0;
  let drawnAt = 0;

  async function refetch(source, key, cell, attempt) {
    coming += 1;
    try {
      await fetchCell(source, key, cell, attempt);
    } finally {
      coming -= 1;
      const now = performance.now();
      if (coming === 0 || now - drawnAt > REDRAW_MS) {
        drawnAt = now;
        window.viewer.display.scheduleRedraw();
      }
    }
  }

  async function fetchCell(source, key, cell, attempt) {
    flying.set(cell, (flying.get(cell) ?? 0) + 1);
    let swapped = false;
    try {
      swapped = await swapCell(source, key, cell, attempt);
    } finally {
      const others = flying.get(cell) - 1;
      if (others > 0) flying.set(cell, others);
      else flying.delete(cell);
    }
    // Sites came while the reply was under way, which may not know them.
    if (swapped && dirty.has(cell)) refetch(source, key, cell, 0);
  }

  async function swapCell(source, key, cell, attempt) {
    const ticket = (tickets.get(cell) ?? 0) + 1;
    tickets.set(cell, ticket);
    dirty.delete(cell);
    let buffer = null;
    try {
      const reply = await fetch(`${config.base}/${cell}`, { cache: "no-store" });
      if (reply.ok) buffer = await reply.arrayBuffer();
    } catch {
      // The server is away; tried again below.
    }
    if (tickets.get(cell) !== ticket) {
      counts.stale += 1; // A newer request for this cell is under way.
      return false;
    }
    const chunk = source.chunks.get(key);
    if (chunk === undefined || buffer === null) {
      dirty.add(cell);
      if (buffer === null && attempt < RETRY_LIMIT) {
        setTimeout(() => {
          if (tickets.get(cell) === ticket) refetch(source, key, cell, attempt + 1);
        }, RETRY_MS);
      }
      return false;
    }
    replaceCell(source, chunk, buffer);
    counts.refetched += 1;
    return true;
  }

  function replaceCell(source, chunk, buffer) {
    const serializers = source.parent.annotationPropertySerializers;
    const stride = serializers[POINT].propertyGroupBytes[0];
    const view = new DataView(buffer);
    const count = Number(view.getBigUint64(0, true));
    const idsAt = 8 + count * stride;
    const ids = Array.from({ length: count }, (_, i) =>
      view.getBigUint64(idsAt + i * 8, true).toString(),
    );
    const rows = new Map(ids.map((id, i) => [id, i]));
    fill(source, chunk, new Uint8Array(buffer, 8, count * stride), ids, rows);
    patchChunk(chunk, null);
  }

  // Gives a chunk these sites: their records, ids, and the places of the ids.
  function fill(source, chunk, data, ids, rows) {
    const serializers = source.parent.annotationPropertySerializers;
    const perType = (value) => Array.from({ length: serializers.length }, () => value());
    const typeToIds = perType(() => []);
    const typeToIdMaps = perType(() => new Map());
    const typeToSize = perType(() => 0);
    const typeToInstanceCounts = perType(() => []);
    typeToIds[POINT] = ids;
    typeToIdMaps[POINT] = rows;
    typeToSize[POINT] = ids.length;
    typeToInstanceCounts[POINT] = ids.map((_, i) => i);
    // A chunk of the client's own class, so that its fields are the client's own.
    const fresh = source.getChunk({
      chunkGridPosition: chunk.chunkGridPosition,
      data,
      typeToOffset: perType(() => 0),
      typeToIds,
      typeToIdMaps,
      typeToSize,
      typeToInstanceCounts,
    });
    if (chunk.data) {
      chunk.data.serializedAnnotations = fresh.data.serializedAnnotations;
      chunk.data.bufferValid = false;
    } else {
      chunk.data = fresh.data;
    }
  }

  // ---- segments ----------------------------------------------------------------

  function packedColor(hex) {
    const [r, g, b] = [1, 3, 5].map((at) => BigInt(parseInt(hex.slice(at, at + 2), 16)));
    return (b << 16n) | (g << 8n) | r;
  }

  function applySegments() {
    const display = layer(config.segmentation)?.displayState;
    if (!display || segments === null) return;
    const group = display.segmentationGroupState.value;
    const wanted = new Map(segments.map(({ id, color }) => [BigInt(id), packedColor(color)]));
    setColors(wanted);
    for (const id of [...group.selectedSegments]) {
      if (!wanted.has(id)) group.selectedSegments.delete(id);
    }
    for (const id of [...group.visibleSegments]) {
      if (!wanted.has(id)) group.visibleSegments.delete(id);
    }
    for (const id of wanted.keys()) group.visibleSegments.add(id);
    // The client draws again when other segments are shown, not when only colours change.
    for (const drawn of layer(config.segmentation).renderLayers) drawn.redrawNeeded.dispatch();
  }

  function setColors(wanted) {
    const colors = layer(config.segmentation).displayState.segmentStatedColors.value;
    for (const [id] of [...colors]) {
      if (!wanted.has(id)) colors.delete(id);
    }
    for (const [id, color] of wanted) {
      if (colors.get(id) === color) continue;
      colors.delete(id);
      colors.set(id, color);
    }
  }

  function showPair({ segments: wanted }) {
    segments = wanted;
    applySegments();
  }

  // A double click shows and hides segments. A stray one must not take away what the question is
  // about; it is the client's own event, so it has done its work when this runs.
  function keepPair() {
    const group = layer(config?.segmentation)?.displayState?.segmentationGroupState.value;
    for (const { id } of segments ?? []) group?.visibleSegments.add(BigInt(id));
  }

  window.addEventListener("dblclick", () => setTimeout(keepPair), true);

  // Pieces of a graph's meshes are named by what they show: an edit makes new ones and changes none.
  const isLasting = (source) => source.meshSource?.parameters?.manifestUrl !== undefined;

  function refreshSegmentation() {
    const objects = window.viewer.chunkManager.rpc.objects.values();
    const keep = new Set(geometrySources());
    for (const source of objects) {
      if (typeof source.invalidateCache !== "function" || keep.has(source)) continue;
      if (isLasting(source)) continue;
      const url = source.parameters?.url ?? source.parameters?.manifestUrl ?? "";
      if (typeof url === "string" && url.startsWith(config.imagery)) continue;
      source.invalidateCache();
    }
  }

  // ---- view --------------------------------------------------------------------

  function moveTo({ position, nmPerPixel, heightNm, orientation, layout }) {
    const viewer = window.viewer;
    if (layout) viewer.layout.restoreState(layout);
    if (position) {
      viewer.position.value = Float32Array.from(position);
    }
    setZoom(viewer.navigationState.zoomFactor, nmPerPixel);
    setZoom(viewer.perspectiveNavigationState.zoomFactor, heightNm);
    if (orientation) {
      viewer.perspectiveNavigationState.pose.orientation.restoreState(orientation);
    }
  }

  function setZoom(zoom, nm) {
    if (nm) zoom.value = (nm * 1e-9) / zoom.canonicalVoxelPhysicalSize;
  }

  function setControls({ controls }) {
    const state = layer(config.sites)?.annotationDisplayState?.shaderControls?.state;
    for (const [name, value] of Object.entries(controls)) {
      const control = state?.get(name);
      if (control) control.trackable.value = value;
    }
  }

  // The imagery's black and white.
  function setContrast({ low, high }) {
    const control = layer(config.imageryLayer)?.shaderControlState?.state?.get("normalized");
    if (!control) return;
    const range = [low, high];
    control.trackable.value = { ...control.trackable.value, range, window: range };
  }

  // ---- look ----------------------------------------------------------------------

  function dress() { // The page's own furniture steps back until it is needed.
    const style = document.createElement("style");
    style.textContent = config.style;
    document.head.append(style);
    hush();
  }

  // A graphene layer says how many segments every change of site hides: nobody asked.
  const NOISE = /^(Hid|Selected) (all )?\d+ segments?\.$/;

  function hush() {
    new MutationObserver(() => {
      for (const line of document.querySelectorAll("#neuroglancer-status-container li")) {
        if (NOISE.test(line.textContent.trim())) line.style.display = "none";
      }
    }).observe(document.body, { childList: true, subtree: true });
  }

  // ---- start -------------------------------------------------------------------

  function selfCheck() {
    const source = annotationSource();
    const found = {
      "viewer.display.scheduleRedraw": window.viewer?.display?.scheduleRedraw,
      "viewer.position": window.viewer?.position,
      "viewer.navigationState.zoomFactor": window.viewer?.navigationState?.zoomFactor,
      "viewer.layout.restoreState": window.viewer?.layout?.restoreState,
      "viewer.chunkManager.rpc.objects": window.viewer?.chunkManager?.rpc?.objects,
      "annotation source": source,
      "source.spatiallyIndexedSources": source?.spatiallyIndexedSources,
      "source.segmentFilteredSources": source?.segmentFilteredSources,
      "source.annotationPropertySerializers":
        source?.annotationPropertySerializers?.[POINT]?.propertyGroupBytes?.length === 1,
    };
    for (const cells of source?.spatiallyIndexedSources ?? []) {
      found["cells.chunks"] = cells.chunks;
      found["cells.getChunk"] = cells.getChunk;
      found["cells.addChunk"] = cells.addChunk;
      found["cells.invalidateCache"] = cells.invalidateCache;
      found["cells.parameters.url"] = cellName(cells, "0,0,0");
      found["cells.parent"] = cells.parent === source;
    }
    const missing = Object.keys(found).filter((name) => !found[name]);
    return { missing, version: document.title };
  }

  function whenThere(condition, action, attempt = 0) {
    if (condition()) return action(true);
    if (attempt >= POLL_LIMIT) return action(false);
    setTimeout(() => whenThere(condition, action, attempt + 1), POLL_MS);
  }

  function report(body) {
    fetch(`${config.base}/report`, { method: "POST", body: JSON.stringify(body) }).catch(() => {});
  }

  function settle() {
    const check = selfCheck();
    intact = check.missing.length === 0;
    if (intact) watchArrivals();
    applySegments();
    window.viewer.layerManager.layersChanged.add(() => {
      if (intact) watchArrivals();
      applySegments();
    });
    window.proofdesk.settled = true;
    for (const action of afterStart.splice(0)) action();
    report({ ready: true, missing: check.missing });
  }

  function start(given) {
    if (config !== null) return;
    config = given;
    dress();
    whenThere(() => annotationSource()?.spatiallyIndexedSources?.size > 0, settle);
  }

  // Runs a command now, or as soon as the client has its layers. One that fails is
  // reported to Python with its name instead of being lost in the page's console.
  function run(name, parameters) {
    const action = () => {
      try {
        commands[name](parameters);
      } catch (error) {
        report({ failed: name, reason: String(error) });
      }
    };
    if (window.proofdesk.settled) action();
    else afterStart.push(action);
  }

  const commands = {
    patchSites,
    addSites,
    refreshCells,
    showPair,
    refreshSegmentation,
    moveTo,
    setControls,
    setContrast,
  };
  // More commands, from another file; they get what they need of this one.
  function extend(make) {
    Object.assign(commands, make({ config: () => config, layer, report, whenThere, packedColor }));
  }

  window.proofdesk = { start, run, extend, selfCheck, counts, settled: false };
})();
