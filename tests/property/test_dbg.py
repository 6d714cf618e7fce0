def test_d(ready):
    from tests.property.bench import bench
    p,e,m = ready("shop")
    for t in ("erp.categories","marketing.ad_performance"):
      for rows in m.sweep(t):
        with bench(p,e) as b:
            r=b.load(t, rows)
            print(t,len(rows), r.received, r.accepted, r.waiting, r.rejected, r.duplicates)
            for k in b.kept(r): 
                print(k.row,k.status,[(f['rule'],f['column'],f['value']) for f in k.faults])
            for x in p.tests_of(t):
              if 'relationships' in x.id or 'compare' in x.id: print(x)
