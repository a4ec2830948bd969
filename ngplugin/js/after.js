// Points of a cut, and what an edit would leave, inside Neuroglancer 2.41.2.
(() => {
  "use strict";
  if (!window.proofdesk?.extend) return; // The host announced the same page twice.

  window.proofdesk.extend(({ config, layer, report, whenThere, packedColor }) => {
    const REPORT_MS = 120; // A drag changes a point with every move of the mouse.
    const GLASS = 0.3; // Opacity of surfaces that points lie in...
    const GHOST = 0.25; // ...and of the whole object while its parts are shown.

    const managed = (name) => window.viewer?.layerManager?.getLayerByName(name);
    const annotations = () => layer(config().marks)?.localAnnotations;

    // ---- points ------------------------------------------------------------------

    let wanted = []; // What Python wants to be shown.
    let applying = false; // Whether it is us who change the points.
    let timer = null;
    let watched = null;

    function watch(source) {
      if (watched === source) return;
      watched = source;
      source.changed.add(() => {
        if (applying) return;
        clearTimeout(timer);
        timer = setTimeout(() => reportMarks(source), REPORT_MS);
      });
    }

    function reportMarks(source) {
      const marks = [...source].map((each) => ({
        id: each.id,
        side: each.properties[0],
        position: [...each.point],
      }));
      report({ marks });
    }

    // Window managers take Alt and drag for themselves. Ctrl is that of the client's own tools,
    // so it moves points only while there are some.
    const DRAG = "at:control+mousedown0";

    function draggable(there) {
      const { sliceView, perspectiveView } = window.viewer.inputEventBindings;
      for (const bindings of [sliceView, perspectiveView]) {
        if (there) bindings.set(DRAG, "move-annotation");
        else bindings.delete(DRAG);
      }
    }

    function applyMarks() {
      const source = annotations();
      watch(source);
      applying = true;
      try {
        const ids = new Set(wanted.map(({ id }) => id));
        for (const old of [...source]) {
          if (!ids.has(old.id)) change(source, old.id, (ref) => source.delete(ref));
        }
        for (const { id, side, position } of wanted) {
          const point = Float32Array.from(position);
          const made = { id, type: 0, point, properties: [side], relatedSegments: [[]] };
          const old = source.get(id);
          if (old === undefined) source.add(made, true).dispose();
          else if (!same(old, made)) change(source, id, (ref) => source.update(ref, made));
        }
      } finally {
        applying = false;
      }
      managed(config().marks).setVisible(wanted.length > 0);
      draggable(wanted.length > 0);
      dim();
    }

    const same = (a, b) =>
      a.properties[0] === b.properties[0] && a.point.every((p, i) => p === b.point[i]);

    function change(source, id, action) {
      const reference = source.getReference(id);
      action(reference);
      reference.dispose();
    }

    function showMarks({ marks }) {
      wanted = marks;
      clearTimeout(timer); // What was to be reported is older than this.
      whenThere(
        () => annotations() !== undefined,
        (there) => there && applyMarks(),
      );
    }

    function pointAt({ side }) {
      const mouse = window.viewer.mouseState;
      const there = mouse.active && mouse.position?.length === 3;
      const position = there ? mouse.position : window.viewer.position.value;
      report({ pointed: { side, position: [...position] } });
    }

    // ---- what an edit would leave --------------------------------------------------

    let before = null; // How the segmentation looked.
    let parted = false; // Whether the parts are shown...
    let whole = false; // ...and are all of the object, on surfaces only.

    function forget(pattern) {
      for (const source of window.viewer.chunkManager.rpc.objects.values()) {
        const url = source.parameters?.url;
        if (typeof url === "string" && url.includes(pattern)) source.invalidateCache?.();
      }
    }

    function showAfter({ parts, path, beside }) {
      forget(path);
      const display = layer(config().after)?.displayState;
      if (!display) return;
      const group = display.segmentationGroupState.value;
      const colors = display.segmentStatedColors.value;
      group.visibleSegments.clear();
      group.selectedSegments.clear();
      for (const { id, color } of parts) {
        colors.delete(BigInt(id));
        colors.set(BigInt(id), packedColor(color));
        group.visibleSegments.add(BigInt(id));
      }
      display.objectAlpha.value = wanted.length > 0 ? 2 * GLASS : 1;
      managed(config().after).setVisible(true);
      parted = true;
      whole = !beside;
      dim();
    }

    function hideAfter() {
      managed(config().after)?.setVisible(false);
      parted = false;
      dim();
    }

    // The object steps back behind the points in it, and further behind its own parts.
    function dim() {
      const display = layer(config().segmentation)?.displayState;
      if (!display) return;
      before ??= [display.objectAlpha.value, display.selectedAlpha.value];
      const [solid, fill] = before;
      const ghost = whole ? 0 : GHOST;
      display.objectAlpha.value = parted ? ghost : wanted.length > 0 ? GLASS : solid;
      display.selectedAlpha.value = parted && !whole ? 0 : fill;
      if (!parted && wanted.length === 0) before = null;
    }

    return { showMarks, pointAt, showAfter, hideAfter };
  });
})();
